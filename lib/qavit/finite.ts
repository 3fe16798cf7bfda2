import { expectedButFound } from '../errors';
import { firstNonFinite } from '../weights';

/**
 * Weights and question features were finite, but sums and products of large ones need not be.
 *
 * @throws QAViTError ERR_ARGUMENT
 */
export function expectFiniteTokens(data: Float32Array, where: string): void {
  const at = firstNonFinite(data, 'f32');
  if (at < 0) return;
  const found = `${data[at]} at element ${at}: numbers of the question or of the weights are too large`;
  throw expectedButFound('ERR_ARGUMENT', 'finite visual tokens', where, found);
}
