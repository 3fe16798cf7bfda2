import { expected } from '../../errors';
import { isJsonObject, type JsonObject } from '../../json-file';
import { positiveNumber } from '../config-values';
import type { Rotary } from './architecture';

/** RoPE's own, where the file does not say. */
const BASE = 10000;

/**
 * What Qwen's towers say of how queries and keys are turned: by counted rows and columns. Files of before transformers 5 say nothing.
 *
 * @param parameters rope_parameters of the file at `path`
 * @throws QAViTError ERR_UNSUPPORTED for another kind, ERR_FORMAT for a base that makes no sense
 */
export function axialRotary(parameters: unknown, path: string): Rotary {
  const where = `rope_parameters of ${path}`;
  const fields: JsonObject = isJsonObject(parameters) ? parameters : {};
  const type = fields.rope_type ?? 'axial';
  if (type !== 'axial') throw expected('ERR_UNSUPPORTED', '"axial"', `rope_type in ${where}`, type);
  return { base: positiveNumber(fields.rope_theta ?? BASE, `rope_theta in ${where}`), places: 'counted' };
}
