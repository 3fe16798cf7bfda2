import type { ImageInput, ModelInfo, QAViT } from '..';
import { type AttentionFigureInput, attentionFigure, type QuestionEffect } from '../view/attention-figure';
import { renderFigure } from '../view/figure';
import { attentionToQuestion, changeByQuestion, standingOut } from '../view/question-effect';
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
  const features = await model.encode(seen, null, { output: 'tower', signal });
  const effects: QuestionEffect[] = [];
  let gates: AttentionFigureInput['gates'] = [];
  let plain: AttentionFigureInput['plain'] | undefined;
  for (const [i, question] of questions.entries()) {
    const maps = await model.attend(seen, question, { signal });
    gates = maps.layers.map(({ layer, gate }) => ({ layer, value: gate }));
    plain ??= standingOut(features, maps.grid);
    effects.push({
      question,
      answer: answers[i],
      change: changeByQuestion(maps),
      attention: attentionToQuestion(maps),
    });
  }
  if (!plain) throw new RangeError('no question');
  return { picture: seen.picture, plain, questions: effects, gates, subtitle: subtitle(name, model.info) };
}

/** The same as a PNG file. */
export function drawQuestions(measured: AttentionFigureInput): Promise<Buffer> {
  return renderFigure(attentionFigure(measured));
}
