import { expectedButFound } from '../errors';

/**
 * Weights and question features were finite, but sums and products of large ones need not be.
 *
 * @param at where the first number that is infinite or NaN is; negative: none is
 * @throws QAViTError ERR_ARGUMENT
 */
export function expectFiniteTokens(data: Float32Array, at: number, where: string): void {
  if (at < 0) return;
  const found = `${data[at]} at element ${at}: numbers of the question or of the weights are too large`;
  throw expectedButFound('ERR_ARGUMENT', 'finite visual tokens', where, found);
}
