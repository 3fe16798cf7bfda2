/** Cosine of each token's feature to what it should be: how the error of int8 is reported, since a norm hides a single bad token. */
export function tokenCosines(
  actual: Float32Array,
  wanted: Float32Array,
  width: number,
): { lowest: number; mean: number } {
  const tokens = wanted.length / width;
  const cosines = Array.from({ length: tokens }, (_, t) => {
    let [product, left, right] = [0, 0, 0];
    for (let i = t * width; i < (t + 1) * width; i += 1) {
      product += actual[i]! * wanted[i]!;
      left += actual[i]! ** 2;
      right += wanted[i]! ** 2;
    }
    return product / Math.sqrt(left * right);
  });
  return { lowest: Math.min(...cosines), mean: cosines.reduce((sum, cosine) => sum + cosine, 0) / tokens };
}
