import type { AttentionMaps, ImageInput, ModelInfo, QAViT } from '..';
import { type AttentionFigureInput, attentionFigure } from '../view/attention-figure';
import { renderFigure } from '../view/figure';
import type { PatchSet } from '../view/outline';
import { withinPatches } from '../view/overlay';
import { attentionToQuestion, changeByQuestion, differenceBetween, standingOut } from '../view/question-effect';
import { ranges } from './output';

export interface QuestionMapRequest {
  image: ImageInput;
  /** One, or two to compare. */
  questions: readonly string[];
  /** Answers to show with the questions, where they are known. */
  answers: readonly (string | undefined)[];
  /** The model's name. */
  name: string;
  /** Outlines the patches of so many tokens, those that are rated highest for each question. */
  outlined?: number;
}

function subtitle(name: string, { fusedLayers, L, device, dtype }: ModelInfo, grid: AttentionMaps['grid']): string {
  return `${name}  ·  ${grid.columns} × ${grid.rows} patches  ·  fused layers ${ranges(fusedLayers)} of 0–${L - 1}  ·  ${device.kind}, ${dtype}`;
}

/** What the questions do to a picture, measured. */
export async function measureQuestions(
  model: QAViT,
  { image, questions, answers, name, outlined }: QuestionMapRequest,
  signal: AbortSignal,
): Promise<AttentionFigureInput> {
  using seen = await model.look(image, { signal });
  const featuresUnder = (question: string | null) =>
    model.encode(seen, question, { output: 'tower', visualTokens: 'all', signal });
  const plain = await featuresUnder(null);
  const attended = [];
  for (const question of questions) attended.push(await model.attend(seen, question, { signal }));
  const [first] = attended;
  if (!first) throw new RangeError('no question');
  const { grid, layers } = first;
  const [a, b] = questions.length === 2 ? await Promise.all(questions.map(featuresUnder)) : [];
  const best = await Promise.all(
    outlined === undefined
      ? []
      : questions.map((question) => model.encode(seen, question, { visualTokens: outlined, signal })),
  );
  return {
    picture: withinPatches(seen.picture, grid, model.info.patch),
    plain: standingOut(plain, grid),
    questions: attended.map((maps, i) => ({
      question: questions[i] ?? '',
      answer: answers[i],
      change: changeByQuestion(maps),
      attention: attentionToQuestion(maps),
      best: patchesOf(best[i]?.kept, plain.shape[0], grid),
    })),
    between: a && b && differenceBetween(a, b, plain, grid),
    gates: layers.map(({ layer, gate }) => ({ layer, value: gate })),
    subtitle: subtitle(name, model.info, grid),
    outlined,
  };
}

/** @param tokens that could be handed over; the patches are the last of them */
function patchesOf(kept: Uint32Array | undefined, tokens: number, grid: AttentionMaps['grid']): PatchSet | undefined {
  if (!kept) return undefined;
  const before = tokens - grid.rows * grid.columns;
  return { patches: Array.from(kept, (token) => token - before).filter((patch) => patch >= 0), ...grid };
}

/** The same as a PNG file. */
export function drawQuestions(measured: AttentionFigureInput): Promise<Buffer> {
  return renderFigure(attentionFigure(measured));
}
