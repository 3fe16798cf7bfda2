import type { T5Config } from './config';
import type { LayerRange } from './plans';

/**
 * Multiply-adds of a piece, 50 ms on two Zen 5 cores in bf16. Answers under way wait for one of them before each token. Half as much
 * halves that, but costs a tenth of the answers a second: more steps are taken for fewer answers each (docs/runtimes.md).
 */
export const PIECE_WORK = 2e10;

/** The encoder's layers in as many groups as keep each below `work`, but for a layer that takes more by itself. */
export function promptPieces(config: T5Config, rows: number, work: number): LayerRange[] {
  const { encoderLayers: layers } = config;
  const together = Math.min(layers, Math.max(1, Math.floor(work / layerWork(config, rows))));
  return Array.from({ length: Math.ceil(layers / together) }, (_, i) => ({
    from: i * together,
    to: Math.min((i + 1) * together, layers),
  }));
}

/** Multiply-adds of a layer of the encoder for so many rows. */
function layerWork({ width, heads, headWidth, feedForward, gated }: T5Config, rows: number): number {
  const inner = heads * headWidth;
  return rows * (4 * width * inner + (gated ? 3 : 2) * width * feedForward + 2 * rows * inner);
}
