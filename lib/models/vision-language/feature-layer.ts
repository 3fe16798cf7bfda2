import { expected } from '../../errors';

/** Reads vision_feature_layer. */
export function featureLayer(value: unknown, where: string): number {
  const layer: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
  if (Number.isSafeInteger(layer)) return layer as number;
  // Several states side by side, as in Granite Vision, would make the projector's input wider than any state.
  if (Array.isArray(layer)) throw expected('ERR_UNSUPPORTED', 'one layer', where, layer);
  throw expected('ERR_FORMAT', 'an integer', where, layer);
}
