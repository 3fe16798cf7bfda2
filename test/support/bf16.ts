const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Rounded to nearest even; NaN stays NaN. */
export function toBf16(values: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(values, (value) => {
    float[0] = value;
    const bits = word[0]!;
    if (Number.isNaN(value)) return 0x7fc0;
    return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  });
}

export function fromBf16(values: Uint16Array): Float32Array {
  return Float32Array.from(values, (bits) => {
    word[0] = bits << 16;
    return float[0]!;
  });
}
