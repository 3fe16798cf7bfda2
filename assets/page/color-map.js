/**
 * Viridis, as in lib/view/color-map.ts (a test holds the two together): its lightness rises evenly, so equal steps of a value look equally
 * large, in greyscale and to colour-blind readers as well.
 */
const VIRIDIS = [0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725];

/**
 * The colour of `value` in 0..1; values outside take the colour of the nearer end, NaN that of 0.
 *
 * @param {number} value
 * @returns {[red: number, green: number, blue: number]}
 */
export function colorOf(value) {
  const position = Math.min(Math.max(value || 0, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(position), VIRIDIS.length - 2);
  const weight = position - below;
  const [low, high] = [VIRIDIS[below] ?? 0, VIRIDIS[below + 1] ?? 0];
  /** @param {number} shift */
  const mix = (shift) => {
    const [from, to] = [(low >> shift) & 255, (high >> shift) & 255];
    return Math.round(from + (to - from) * weight);
  };
  return [mix(16), mix(8), mix(0)];
}

/** The map from low to high as a CSS image, for a legend. */
export function gradient() {
  const stops = VIRIDIS.map((packed) => `#${packed.toString(16).padStart(6, '0')}`);
  return `linear-gradient(to right, ${stops.join(', ')})`;
}
