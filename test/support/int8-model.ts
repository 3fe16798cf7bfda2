/** native/core/int8.h once more, in JavaScript: every rounding to f32 is written out. */

const f = Math.fround;

/** To the nearest integer, halves to the even one. */
function nearest(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

const level = (value: number, inverse: number): number => {
  const scaled = f(value * inverse);
  return Number.isNaN(scaled) ? 0 : nearest(scaled);
};

interface Quantized {
  scale: number;
  levels: number[];
}

function scaleOf(scale: number, finite: boolean): { scale: number; inverse: number } {
  if (!finite) return { scale: NaN, inverse: 0 };
  return scale < 2 ** -126 ? { scale: 0, inverse: 0 } : { scale, inverse: f(1 / scale) };
}

export function quantizeToken(x: Float32Array): Quantized {
  const [low, high] = [Math.min(0, ...x), Math.max(0, ...x)];
  const { scale, inverse } = scaleOf(f(f(high / 255) - f(low / 255)), x.every(Number.isFinite));
  const zero = level(-low, inverse);
  return { scale, levels: Array.from(x, (value) => Math.min(Math.max(level(value, inverse), -zero), 255 - zero)) };
}

export function quantizeChannel(w: Float32Array): Quantized {
  const { scale, inverse } = scaleOf(f(Math.max(...w.map(Math.abs)) / 127), w.every(Number.isFinite));
  return { scale, levels: Array.from(w, (value) => level(value, inverse)) };
}

/** x [rows, groups * in] times W [groups, out, in] transposed, in int8, to the last bit. */
export function int8Product(
  x: Float32Array,
  w: Float32Array,
  groups: number,
  out: number,
  inner: number,
): Float32Array {
  const rows = x.length / (groups * inner);
  const channels = Array.from({ length: groups * out }, (_, i) =>
    quantizeChannel(w.subarray(i * inner, (i + 1) * inner)),
  );
  const y = new Float32Array(rows * groups * out);
  for (let r = 0; r < rows; r += 1) {
    for (let g = 0; g < groups; g += 1) {
      const start = (r * groups + g) * inner;
      const token = quantizeToken(x.subarray(start, start + inner));
      for (let o = 0; o < out; o += 1) {
        const channel = channels[g * out + o]!;
        const sum = token.levels.reduce((total, a, i) => total + a * channel.levels[i]!, 0);
        y[(r * groups + g) * out + o] = f(f(sum) * f(token.scale * channel.scale));
      }
    }
  }
  return y;
}
