/** Every code path of the CPU backend that this processor has, over the whole case table, against the reference backend. */
import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device } from '../../lib/binding/native';
import type { CaseOperation } from '../support/case-operands';
import { relativeError } from '../support/compare';
import { extremeOperations } from '../support/extreme-operations';
import { runOperation, type RunOptions } from '../support/op-runner';
import { tableOperations } from '../support/table-operations';

const addon = loadAddon();

/** Sums of up to 4,099 products in another order. */
const f32Tolerance = 1e-5;
/** Results rounded to bf16, and attention weights rounded to it before they meet the values. */
const bf16Tolerance = 6e-3;

/** Combinations of dtypes that an operation takes. Large cases, which are here for their tiling, take two. */
function variants({ op, views, result }: CaseOperation): RunOptions[] {
  if (op === 'question_attention') return [{ input: 'f32' }, { input: 'bf16', output: 'f32' }];
  const quantizes = op === 'linear' || op === 'gated_projection';
  const [batch, rows, columns] = result.shape;
  if (batch * rows * columns > 50_000) {
    return [{ input: 'f32' }, { input: 'bf16' }, ...(quantizes ? [{ input: 'bf16', weights: 'int8' } as const] : [])];
  }
  const plain: RunOptions[] = [
    { input: 'f32' },
    { input: 'f32', output: 'bf16' },
    { input: 'bf16' },
    { input: 'bf16', output: 'f32' },
  ];
  const quantized: RunOptions[] = [
    { input: 'f32', weights: 'int8' },
    { input: 'bf16', weights: 'int8' },
    { input: 'bf16', weights: 'int8', output: 'f32' },
  ];
  const dense = quantizes ? [...plain, ...quantized] : plain;
  if (!views.residual) return dense;
  return [
    ...dense,
    ...(quantizes ? [{ input: 'bf16', weights: 'int8', output: 'f32', inPlace: true } as const] : []),
    { input: 'f32', inPlace: true },
    { input: 'bf16', inPlace: true },
    { input: 'bf16', output: 'f32', inPlace: true },
    { input: 'bf16', output: 'bf16', residual: 'f32' },
  ];
}

describe('native: CPU backend', () => {
  const reference = new addon.Device({ kind: 'reference' });
  after(() => reference.close());

  const wanted = new Map<string, Promise<Float32Array>>();
  /** The reference's result, not rounded to bf16, computed once for all code paths. */
  function expected(name: string, operation: CaseOperation, { input, weights, output, residual }: RunOptions) {
    const options: RunOptions = { input, weights, output: 'f32', residual: residual ?? output ?? input };
    const key = `${name} ${JSON.stringify(options)}`;
    let result = wanted.get(key);
    if (!result) wanted.set(key, (result = runOperation(reference, operation, options)));
    return result;
  }

  for (const isa of addon.cpuIsas()) {
    describe(isa, () => {
      let device: Device;
      before(() => {
        device = new addon.Device({ kind: 'cpu', isa });
      });
      after(() => device.close());

      async function hold(name: string, operation: CaseOperation, options: RunOptions): Promise<void> {
        const actual = await runOperation(device, operation, options);
        // Integers are exact whatever the activations' dtype.
        const exact =
          (options.output ?? options.input) === 'f32' && (options.input === 'f32' || options.weights === 'int8');
        const error = relativeError(actual, await expected(name, operation, options));
        expect(error, JSON.stringify(options)).to.be.at.most(exact ? f32Tolerance : bf16Tolerance);
      }

      for (const { name, operation } of tableOperations()) {
        it(name, async () => {
          for (const options of variants(operation())) await hold(name, operation(), options);
        });
      }

      for (const { name, operation } of extremeOperations()) {
        it(name, async () => {
          for (const input of ['f32', 'bf16'] as const) await hold(name, operation, { input, output: 'f32' });
          if (operation.op === 'linear') await hold(name, operation, { input: 'f32', weights: 'int8' });
        });
      }
    });
  }
});
