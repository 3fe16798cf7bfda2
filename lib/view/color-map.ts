/**
 * Viridis, sampled at ten even steps and interpolated linearly: its lightness rises evenly, so equal steps of a value look equally
 * large, in greyscale print and to colour-blind readers as well.
 */
const VIRIDIS = [
  0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725,
] as const;

export type Rgb = readonly [number, number, number];

function stop(index: number): Rgb {
  const packed = VIRIDIS[index] ?? 0;
  return [packed >> 16, (packed >> 8) & 255, packed & 255];
}

/** The colour of `value` in 0..1; values outside take the colour of the nearer end, NaN that of 0. */
export function colorOf(value: number): Rgb {
  const position = Math.min(Math.max(value || 0, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(position), VIRIDIS.length - 2);
  const weight = position - below;
  const [low, high] = [stop(below), stop(below + 1)];
  const mix = (channel: 0 | 1 | 2): number => Math.round(low[channel] + (high[channel] - low[channel]) * weight);
  return [mix(0), mix(1), mix(2)];
}

/** `#rrggbb`, as SVG writes a colour. */
export function hexColorOf(value: number): string {
  return `#${colorOf(value)
    .map((channel) => channel.toString(16).padStart(2, '0'))
    .join('')}`;
}

/** The stops of the map with their offsets in 0..1, for a gradient that shows the scale. */
export function colorStops(): { offset: number; color: string }[] {
  return VIRIDIS.map((_, index) => {
    const offset = index / (VIRIDIS.length - 1);
    return { offset, color: hexColorOf(offset) };
  });
}
