import type { BatchItem, QAViT, QuestionFeatures } from '../../lib';
import type { TowerCase } from './towers';

/** The batch of a case: its prepared pictures as raw RGB, its questions without their padding. */
export function itemsOf({ pixels, lengths, question, padding }: TowerCase): BatchItem[] {
  const [batch = 0, height = 0, width = 0] = pixels.shape;
  const size = height * width * 3;
  return Array.from({ length: batch }, (_, b) => ({
    image: { data: pixels.data.subarray(b * size, (b + 1) * size), width, height, channels: 3 },
    question: question && lengths ? questionOf(question, b, lengths[b] ?? 0, padding) : null,
  }));
}

/** The questions of a case without their padding; null: the plain tower. */
export function questionsOf({ lengths, question, padding }: TowerCase): QuestionFeatures[] | null {
  if (!question || !lengths) return null;
  return lengths.map((length, b) => questionOf(question, b, length, padding));
}

function questionOf({ data, shape }: NonNullable<TowerCase['question']>, b: number, length: number, padding: string) {
  const [, tokens = 0, width = 0] = shape;
  // In a batch with attended padding every question that is one has all rows.
  const rows = padding === 'attend' && length > 0 ? tokens : length;
  const start = b * tokens * width;
  return { data: data.slice(start, start + rows * width), shape: [rows, width] as [number, number] };
}

/** All samples of a result, one behind another. */
export async function encodeCase(model: QAViT, entry: TowerCase, output: 'tower' | 'projected'): Promise<Float32Array> {
  const tokens = await model.encodeBatch(itemsOf(entry), { output });
  const all = new Float32Array(tokens.reduce((sum, { data }) => sum + data.length, 0));
  tokens.reduce((start, { data }) => {
    all.set(data, start);
    return start + data.length;
  }, 0);
  return all;
}
