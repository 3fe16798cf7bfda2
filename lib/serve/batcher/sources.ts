import { createHash } from 'node:crypto';
import type { ImageInput, ImageLimits } from '../../image';
import { openImage } from '../../image/source';
import type { Looked, QuestionInput } from '../../qavit/types';

/** A picture to look at, named by its content, that nobody else can change. */
export interface Source {
  readonly key: string;
  readonly image: Exclude<ImageInput, string | URL>;
}

/** What the Batcher takes: pictures as the model does, but none that was looked at, which is what the Batcher does itself. */
export type BatchImage = Exclude<ImageInput, Looked>;

/**
 * Reads a picture's bytes. Files are read each time, so that a path whose file has changed is another picture.
 *
 * @throws QAViTError as prepareImage does
 */
export async function openSource(
  image: BatchImage,
  limits: Required<ImageLimits>,
  signal: AbortSignal,
): Promise<Source> {
  const opened = await openImage(image, limits, signal);
  if ('bytes' in opened) return { key: hash('file', opened.bytes), image: opened.bytes };
  const data = opened.data.slice();
  return { key: hash(`raw ${opened.width} x ${opened.height}`, data), image: { ...opened, data } };
}

/** Names a question by its content. */
export function questionKey(question: QuestionInput): string {
  if (question === null) return 'none';
  if (typeof question === 'string') return `words ${question}`;
  const { data, shape } = question;
  return hash(`features ${shape.join()}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function hash(kind: string, bytes: Uint8Array): string {
  return createHash('sha256').update(`${kind}\n`).update(bytes).digest('hex');
}
