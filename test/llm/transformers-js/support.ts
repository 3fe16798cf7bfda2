/** What the real transformers.js needs to open the fixtures' models. */

/** An ONNX graph of one Identity, pixel_values to image_features, in place of a vision encoder. Written by onnx.helper. */
export const IDENTITY =
  'CAkSADqCAQooCgxwaXhlbF92YWx1ZXMSDmltYWdlX2ZlYXR1cmVzIghJZGVudGl0eRIGdmlzaW9uWiUKDHBpeGVsX3ZhbHVlcxIVChMIARIPCgMSAWIKAxIBbgoD' +
  'EgFlYicKDmltYWdlX2ZlYXR1cmVzEhUKEwgBEg8KAxIBYgoDEgFuCgMSAWVCBAoAEBI=';

/** transformers.js knows the first dimension of an empty cache by the name that Optimum gives it; the fixture's exporter gave another. */
export function nameBatches(sessions: unknown): void {
  const { decoder_model_merged: session } = sessions as Record<string, { inputMetadata: { shape: unknown[] }[] }>;
  const named = session!.inputMetadata.map((input) => ({ ...input, shape: ['batch_size', ...input.shape.slice(1)] }));
  Object.defineProperty(session, 'inputMetadata', { value: named });
}
