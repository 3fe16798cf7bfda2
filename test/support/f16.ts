const finiteHalves = 0x7c00;

/** The positive halves in order: value i has the bits i. Written down from the format, not from the code under test. */
const values = Float64Array.from({ length: finiteHalves }, (_, bits) => {
  const [exponent, fraction] = [bits >> 10, bits & 0x3ff];
  return exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
});

/** The nearest half, of two the one with even bits. */
function bitsOf(magnitude: number): number {
  if (magnitude >= 65520) return finiteHalves;
  let [low, high] = [0, finiteHalves - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle]! <= magnitude) low = middle;
    else high = middle - 1;
  }
  const below = magnitude - values[low]!;
  const above = (low + 1 < finiteHalves ? values[low + 1]! : 65536) - magnitude;
  return low + (above < below || (above === below && low % 2 === 1) ? 1 : 0);
}

/** Rounded to nearest even; NaN stays NaN. */
export function toF16(numbers: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(numbers, (number) => {
    if (Number.isNaN(number)) return 0x7e00;
    const sign = number < 0 || Object.is(number, -0) ? 0x8000 : 0;
    return sign | bitsOf(Math.abs(number));
  });
}

export function fromF16(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const bits = half & 0x7fff;
    const magnitude = bits < finiteHalves ? values[bits]! : bits === finiteHalves ? Infinity : NaN;
    return half & 0x8000 ? -magnitude : magnitude;
  });
}
