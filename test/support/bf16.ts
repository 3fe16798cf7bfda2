const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Rounded to nearest even; NaN stays NaN. A plain loop: `Uint16Array.from` takes 20 times as long, and cases are large. */
export function toBf16(values: ArrayLike<number>): Uint16Array {
  const rounded = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i += 1) {
    float[0] = values[i]!;
    const bits = word[0]!;
    rounded[i] = Number.isNaN(float[0]) ? 0x7fc0 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
  return rounded;
}

export function fromBf16(values: Uint16Array): Float32Array {
  const bits = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i += 1) bits[i] = values[i]! << 16;
  return new Float32Array(bits.buffer);
}
