/** The header is padded so that the data behind it start at a multiple of this, as the format's own writer does. */
const ALIGNMENT = 8;

/** A tensor of a file, in the order in which their data follow each other. */
export interface HeaderEntry {
  readonly name: string;
  /** As the format names it: `F32`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/**
 * What a .safetensors file begins with: the header's length (u64) and the header (JSON).
 *
 * @param metadata what else a reader should know; the format allows strings only
 */
export function safetensorsHeader(
  tensors: readonly HeaderEntry[],
  metadata?: Readonly<Record<string, string>>,
): Buffer {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }) => {
    const start = end;
    end += bytes;
    return [name, { dtype, shape, data_offsets: [start, end] }] as const;
  });
  const header = { ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) };
  const json = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc((ALIGNMENT - (json.length % ALIGNMENT)) % ALIGNMENT, ' ');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length + padding.length));
  return Buffer.concat([length, json, padding]);
}
