import { expect } from 'chai';
import { roundToBfloat16 } from '../../lib/weights/elements';
import {
  exactScale,
  foldGate,
  foldNormAffine,
  foldPixels,
  foldTable,
  type PatchEmbedding,
  type PixelNormalization,
  scaleRows,
  stack,
} from '../../lib/weights/folds';
import { relativeError } from '../support/compare';
import { turnsDuring } from '../support/event-loop';
import { floats, random } from '../support/random';

describe('folds', () => {
  const next = random(7);
  const affine = (w: Float32Array, x: ArrayLike<number>, out: number, bias?: ArrayLike<number>): number[] =>
    Array.from({ length: out }, (_, o) => {
      let sum = bias?.[o] ?? 0;
      for (let i = 0; i < x.length; i += 1) sum += w[o * x.length + i]! * x[i]!;
      return sum;
    });

  describe('of pixels', () => {
    const [width, patch, patches] = [5, 3, 4];
    const area = patch * patch;
    const kernels = floats(next, width * 3 * area);
    const [bias, classToken] = [floats(next, width), floats(next, width)];
    const positions = floats(next, (patches + 1) * width);
    const normalization = { rescale: 1 / 255, mean: [0.48, 0.46, 0.41], std: [0.27, 0.26, 0.28] } as const;
    const pixels = Array.from({ length: area * 3 }, () => Math.floor(next() * 256));
    const channelFirst = (values: readonly number[]) =>
      Array.from({ length: area * 3 }, (_, i) => values[(i % area) * 3 + Math.floor(i / area)]!);
    const normalised = (values: readonly number[]) =>
      channelFirst(values).map((value, i) => {
        const channel = Math.floor(i / area);
        return (value / 255 - normalization.mean[channel]!) / normalization.std[channel]!;
      });
    const embedding = { kernels, bias, width, patch };
    const fold = async (of: PatchEmbedding, by: PixelNormalization, dtype: 'f32' | 'bf16', token?: Float32Array) => {
      const { weight, constant } = foldPixels(of, by, dtype);
      return { weight, table: await foldTable({ positions, constant, classToken: token }) };
    };

    it('equals normalising first, then bias and position', async () => {
      const { weight, table } = await fold(embedding, normalization, 'f32', classToken);
      for (let p = 1; p <= patches; p += 1) {
        const wanted = affine(kernels, normalised(pixels), width, bias).map((v, c) => v + positions[p * width + c]!);
        const row = table.subarray(p * width, (p + 1) * width);
        expect(relativeError(affine(weight, pixels, width, row), wanted)).to.be.below(1e-6);
      }
    });

    it('adds the class token to its position', async () => {
      const { table } = await fold(embedding, normalization, 'f32', classToken);
      const wanted = classToken.map((v, c) => v + positions[c]!);
      expect(relativeError(table.subarray(0, width), wanted)).to.be.below(1e-7);
    });

    it('works without a bias and without a class token', async () => {
      const { weight, table } = await fold({ kernels, width, patch }, normalization, 'f32');
      const wanted = affine(kernels, normalised(pixels), width).map((v, c) => v + positions[c]!);
      expect(relativeError(affine(weight, pixels, width, table.subarray(0, width)), wanted)).to.be.below(1e-6);
    });

    it('rounds nothing of the mean colour in bf16', async () => {
      const { weight, table } = await fold(embedding, normalization, 'bf16', classToken);
      expect([...weight]).to.deep.equal([...weight].map(roundToBfloat16));
      const mean = Array.from({ length: area * 3 }, (_, i) => normalization.mean[i % 3]! * 255);
      const wanted = [...bias].map((v, c) => v + positions[width + c]!);
      expect(relativeError(affine(weight, mean, width, table.subarray(width, 2 * width)), wanted)).to.be.below(1e-6);
    });

    it('lets other work have its turn where the table is large', async () => {
      const constant = new Float64Array(2 ** 16).fill(1);
      const folding = foldTable({ positions: new Float32Array(64 * constant.length), constant });
      expect(await turnsDuring(folding)).to.be.at.least(4);
      expect((await folding).every((number) => number === 1)).to.equal(true);
    });

    it('keeps rescale factors other than 1/255', async () => {
      const identity = { rescale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;
      const { weight, table } = await fold({ kernels, width, patch }, identity, 'f32');
      const wanted = affine(kernels, channelFirst(pixels), width).map((v, c) => v + positions[c]!);
      expect(relativeError(affine(weight, pixels, width, table.subarray(0, width)), wanted)).to.be.below(1e-6);
    });
  });

  it('scale queries only by powers of two', () => {
    expect([1, 4, 16, 64, 256].map(exactScale)).to.deep.equal([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16]);
    expect([8, 32, 72, 80, 88, 96, 100, 128].map(exactScale)).to.deep.equal(Array(8).fill(undefined));
  });

  it('stack with factors', () => {
    expect([...stack([Float32Array.of(1, 2), Float32Array.of(3)], [0.5])]).to.deep.equal([0.5, 1, 3]);
  });

  it('of the gate equal both projections', () => {
    const width = 6;
    const [p, pg, a] = [floats(next, width * width), floats(next, width * width), floats(next, width)];
    const gate = Math.tanh(0.7);
    const plain = affine(p, a, width);
    const wanted = affine(pg, a, width).map((value, i) => plain[i]! + gate * value);
    expect(relativeError(affine(foldGate(p, pg, gate), a, width), wanted)).to.be.below(1e-6);
  });

  it('of LayerScale equal scaling what the map gives', () => {
    const [rows, columns] = [5, 3];
    const [w, bias, scale, x] = [
      floats(next, rows * columns),
      floats(next, rows),
      floats(next, rows),
      floats(next, columns),
    ];
    const wanted = affine(w, x, rows, bias).map((value, r) => value * scale[r]!);
    const folded = affine(scaleRows(w, scale), x, rows, scaleRows(bias, scale));
    expect(relativeError(folded, wanted)).to.be.below(1e-6);
  });

  it("of a norm's affine part equal applying it first", () => {
    const [rows, columns] = [4, 7];
    const [data, gamma, beta, x] = [floats(next, rows * columns), floats(next, 7), floats(next, 7), floats(next, 7)];
    const { weight, bias } = foldNormAffine({ data, rows, columns }, gamma, beta);
    const wanted = affine(
      data,
      x.map((v, i) => v * gamma[i]! + beta[i]!),
      rows,
    );
    expect(relativeError(affine(weight, x, rows, bias), wanted)).to.be.below(1e-6);
  });
});
