import { expectedButFound } from '../errors';
import type { QuestionFeatures } from '../llm/language-model';
import { tokensToHandOver } from '../models/qavit';
import { firstNonFinite } from '../weights';
import type { Engine } from './engine';
import { expectFiniteTokens } from './finite';
import type { LookedPicture } from './pictures';
import { QuestionBlocks } from './question-blocks';
import type { AttentionMaps } from './types';

/** Where a question draws attention inside the tower, and how far that moves each visual token's feature. */
export async function attendTo(
  engine: Engine,
  looked: LookedPicture,
  features: QuestionFeatures | null,
  signal: AbortSignal,
): Promise<AttentionMaps> {
  if (!features) throw expectedButFound('ERR_ARGUMENT', 'a question of at least one token', 'attend', 'none');
  const model = engine.at(looked.size);
  // One question alone: nothing is padded, whatever the mode.
  const questions = new QuestionBlocks(engine, [features], 'mask');
  try {
    const { tensor, lengths } = await questions.get(0, signal);
    const [length = 0] = lengths;
    const [asked, plain, ...rest] = await engine.attend(looked.stream(), tensor, length, signal, looked.size);
    const tokens = asked ?? new Float32Array();
    expectFiniteTokens(tokens, firstNonFinite(tokens, 'f32'), 'attend');
    const maps = rest.slice(0, model.fused.length);
    const ratings = rest[model.fused.length];
    return {
      layers: maps.map((map, i) => ({
        layer: model.fused[i] ?? -1,
        gate: model.gates[i] ?? 0,
        attention: { data: firstColumns(map, tensor.shape[1], length), shape: [model.tokens, length] },
      })),
      difference: relativeDifference(asked ?? new Float32Array(), plain ?? new Float32Array(), model.width),
      // Class token and registers come first, and so what is not handed over does.
      ...(ratings && { ratings: ratings.slice(model.tokens - tokensToHandOver(model, 'tower')) }),
      grid: { ...model.grid },
      hasClass: model.hasClass,
      picture: looked.picture,
    };
  } finally {
    questions.dispose();
  }
}

/** The first `kept` of `columns` columns: those behind are padding. */
function firstColumns(data: Float32Array, columns: number, kept: number): Float32Array {
  const rows = data.length / columns;
  const all = new Float32Array(rows * kept);
  for (let r = 0; r < rows; r++) all.set(data.subarray(r * columns, r * columns + kept), r * kept);
  return all;
}

/** ||a - b|| / ||b|| of each row. */
function relativeDifference(a: Float32Array, b: Float32Array, width: number): Float32Array {
  return Float32Array.from({ length: b.length / width }, (_, row) => {
    let [difference, norm] = [0, 0];
    for (let i = row * width; i < (row + 1) * width; i++) {
      difference += (a[i]! - b[i]!) ** 2;
      norm += b[i]! ** 2;
    }
    return Math.sqrt(difference / Math.max(norm, Number.MIN_VALUE));
  });
}
