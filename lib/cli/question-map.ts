import type { ImageInput, ModelInfo, QAViT } from '..';
import { type AttentionFigureInput, attentionFigure } from '../view/attention-figure';
import { renderFigure } from '../view/figure';
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
}

function subtitle(name: string, { image, patch, fusedLayers, L, device, dtype }: ModelInfo): string {
  const side = Math.floor(image / patch);
  return `${name}  ·  ${side} × ${side} patches  ·  fused layers ${ranges(fusedLayers)} of 0–${L - 1}  ·  ${device.kind}, ${dtype}`;
}

/** What the questions do to a picture, measured. */
export async function measureQuestions(
  model: QAViT,
  { image, questions, answers, name }: QuestionMapRequest,
  signal: AbortSignal,
): Promise<AttentionFigureInput> {
  using seen = await model.look(image, { signal });
  const featuresUnder = (question: string | null) => model.encode(seen, question, { output: 'tower', signal });
  const plain = await featuresUnder(null);
  const attended = [];
  for (const question of questions) attended.push(await model.attend(seen, question, { signal }));
  const [first] = attended;
  if (!first) throw new RangeError('no question');
  const { grid, layers } = first;
  const [a, b] = questions.length === 2 ? await Promise.all(questions.map(featuresUnder)) : [];
  return {
    picture: seen.picture,
    plain: standingOut(plain, grid),
    questions: attended.map((maps, i) => ({
      question: questions[i] ?? '',
      answer: answers[i],
      change: changeByQuestion(maps),
      attention: attentionToQuestion(maps),
    })),
    between: a && b && differenceBetween(a, b, plain, grid),
    gates: layers.map(({ layer, gate }) => ({ layer, value: gate })),
    subtitle: subtitle(name, model.info),
  };
}

/** The same as a PNG file. */
export function drawQuestions(measured: AttentionFigureInput): Promise<Buffer> {
  return renderFigure(attentionFigure(measured));
}
