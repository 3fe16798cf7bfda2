import { expectedButFound } from '../errors';
import { maxPatchesOf } from '../image';
import { visualTokens } from '../models/qavit';
import { tokensBeforePatches } from '../models/tower';
import type { OpenVision } from './open-vision';

/**
 * Which visual tokens are handed over where not all are. A token's rating is w . h, h the row that the projector takes and w the adapter's
 * token selector: h comes out of layers that heard the question, and so which tokens are kept depends on what is asked.
 */

/** What may be asked of a model. */
export interface Selection {
  readonly selectsTokens: boolean;
  readonly allTokens: number;
}

export function selectionOf(vision: Pick<OpenVision, 'model' | 'preprocessor'>): Selection {
  const { model } = vision;
  const allTokens = visualTokens({ ...model, tokens: mostTokens(vision) });
  return { selectsTokens: model.selector !== undefined, allTokens };
}

/** M, or of pictures in shapes of their own the largest that one can have. */
export function mostTokens({ model, preprocessor }: Pick<OpenVision, 'model' | 'preprocessor'>): number {
  const patches = maxPatchesOf(preprocessor, model.patch);
  return patches === null ? model.tokens : tokensBeforePatches(model) + patches;
}

/**
 * @param where names the call in messages
 * @throws QAViTError ERR_ARGUMENT where the adapter rates no tokens, or there are not so many
 */
export function expectSelectable({ selectsTokens, allTokens }: Selection, count: number, where: string): void {
  const option = `option visualTokens of ${where}`;
  if (!selectsTokens) {
    const what = 'an adapter with a token selector (token_selector.weight)';
    throw expectedButFound('ERR_ARGUMENT', what, option, 'a model without');
  }
  if (count <= allTokens) return;
  throw expectedButFound('ERR_ARGUMENT', `at most ${allTokens}, all visual tokens,`, option, `${count}`);
}

/**
 * @param ratings f32 [N]
 * @param count 1..N
 * @returns the numbers of the `count` tokens that are rated highest, ascending; of equals the first
 */
export function bestRated(ratings: Float32Array, count: number): Uint32Array {
  const byRating = Uint32Array.from(ratings.keys()).sort((a, b) => ratings[b]! - ratings[a]! || a - b);
  return byRating.slice(0, count).sort();
}

/**
 * @param data [N, width]
 * @returns those rows, in this order
 */
export function takeRows(data: Float32Array, rows: Uint32Array, width: number): Float32Array {
  const taken = new Float32Array(rows.length * width);
  rows.forEach((row, i) => taken.set(data.subarray(row * width, (row + 1) * width), i * width));
  return taken;
}
