/** The reference backend is the specification of every operation; PyTorch in float64 holds the specification itself. */
import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device } from '../../lib/binding/native';
import { CASE_OPS, casesOf } from '../cases';
import { expectedOutput } from '../cases/expected';
import { questionAttentionOf, operationOf } from '../support/case-operands';
import { relativeError } from '../support/compare';
import { runCase, runOperation } from '../support/op-runner';

/** Sums are exact to f32 here; what is left is the rounding of weights, attributes and the result to f32. */
const f32Tolerance = 3e-7;
/** bf16's unit roundoff: the error of rounding a result, below which PyTorch's own figure for a handful of numbers is luck. */
const bf16Roundoff = 2 ** -8;

describe('native: reference backend', () => {
  let device: Device;
  before(() => {
    device = new (loadAddon().Device)({ kind: 'reference' });
  });
  after(() => device.close());

  for (const op of CASE_OPS) {
    for (const entry of casesOf(op).filter(({ fixture }) => fixture)) {
      it(`${op}: ${entry.name}`, async () => {
        const { output, bf16Error } = expectedOutput(op, entry.name);
        expect(relativeError(await runCase(device, op, entry), output.data), 'f32').to.be.at.most(f32Tolerance);

        const bf16Tolerance = Math.max(1.25 * bf16Error, bf16Roundoff);
        const bf16 = await runCase(device, op, entry, { input: 'bf16' });
        expect(relativeError(bf16, output.data), 'bf16').to.be.at.most(bf16Tolerance);
        const wide = await runCase(device, op, entry, { input: 'bf16', output: 'f32' });
        expect(relativeError(wide, output.data), 'bf16 to f32').to.be.at.most(bf16Tolerance);
        if (!('residual' in entry)) return;
        const inPlace = await runCase(device, op, entry, { inPlace: true });
        expect(relativeError(inPlace, output.data), 'in place').to.be.at.most(f32Tolerance);
      });
    }
  }

  // question_attention has no PyTorch twin: with one-hot question values and no visual ones, concat_attention shows its weights.
  for (const entry of casesOf('concat_attention').filter(({ fixture, K, D }) => fixture && K > 0 && K <= D)) {
    it(`question_attention: ${entry.name}`, async () => {
      const { B, M, K, H, D } = entry;
      const operation = operationOf('concat_attention', entry);
      const { v, question_v } = operation.views;
      v!.data.fill(0);
      question_v!.data.forEach((_, i, data) => (data[i] = Math.floor(i / (H * D)) % K === i % D ? 1 : 0));
      const shown = await runOperation(device, operation);
      const wanted = new Float64Array(B * M * K);
      wanted.forEach((_, i) => {
        const [row, key] = [Math.floor(i / K), i % K];
        for (let h = 0; h < H; h += 1) wanted[i]! += shown[(row * H + h) * D + key]! / H;
      });
      const actual = await runOperation(device, questionAttentionOf(entry));
      expect(relativeError(actual, wanted)).to.be.at.most(f32Tolerance);
      expect(Math.max(...actual)).to.be.at.most(1);
    });
  }
});
