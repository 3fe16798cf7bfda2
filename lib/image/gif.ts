const [EXTENSION, GRAPHIC_CONTROL] = [0x21, 0xf9];
/** Of a graphic control extension: its flags first. */
const CONTROL_BYTES = 4;
/** Signature, version and logical screen descriptor, which say how large the colour table behind them is. */
const HEAD_BYTES = 13;
const HAS_COLORS = 0x80;
const HAS_TRANSPARENT = 0x01;

/**
 * Makes the first picture of a GIF opaque, in place: its decoder leaves pixels of the transparent colour black, whatever the palette says
 * that colour is. What is no GIF, or damaged, is left to the decoder.
 */
export function makeOpaque(gif: Buffer): void {
  const screen = gif[HEAD_BYTES - 3] ?? 0;
  let at = HEAD_BYTES + (screen & HAS_COLORS ? 3 * 2 ** ((screen & 7) + 1) : 0);
  while (gif[at] === EXTENSION) {
    const isControl = gif[at + 1] === GRAPHIC_CONTROL && gif[at + 2] === CONTROL_BYTES;
    if (isControl && at + 3 < gif.length) gif[at + 3]! &= ~HAS_TRANSPARENT;
    at = endOfBlocks(gif, at + 2);
  }
}

/** Behind a list of blocks, each with its length in front; an empty one ends it. */
function endOfBlocks(gif: Buffer, start: number): number {
  let at = start;
  for (let length = gif[at]; length; length = gif[at]) at += 1 + length;
  return at + 1;
}
