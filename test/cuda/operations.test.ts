/** Every operation of the CUDA backend over the whole case table, in every dtype, against the reference backend. */
import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { CaseOperation } from '../support/case-operands';
import { relativeError } from '../support/compare';
import { emulated, openCuda } from '../support/cuda';
import { extremeOperations } from '../support/extreme-operations';
import { prepareOperation, runOperation, type RunOptions } from '../support/op-runner';
import { tableOperations } from '../support/table-operations';
import { toleranceOf } from '../support/tolerances';
import { workOf } from '../support/work';

/** Multiply-adds of a case that the emulation may take: about a second. What is above runs on GPUs only, and is listed. */
const emulationCap = Number(process.env.QAVIT_EMULATION_CAP ?? 12_000_000);
/** Up to this, every combination of dtypes and every result three times; above it, one dtype each and one result. */
const smallWork = emulated ? 300_000 : Infinity;

const dtypes = ['f32', 'bf16', 'f16'] as const;

function variants(operation: CaseOperation): RunOptions[] {
  if (operation.op === 'question_attention') return dtypes.map((input) => ({ input, output: 'f32' }));
  const plain: RunOptions[] = dtypes.map((input) => ({ input }));
  if (workOf(operation) > smallWork) return plain;
  plain.push(
    { input: 'f32', output: 'bf16' },
    { input: 'f32', output: 'f16' },
    { input: 'bf16', output: 'f32' },
    { input: 'f16', output: 'f32' },
  );
  if (!operation.views.residual) return plain;
  return [
    ...plain,
    ...dtypes.map((input): RunOptions => ({ input, inPlace: true })),
    { input: 'bf16', output: 'f32', inPlace: true },
    { input: 'f16', output: 'f32', inPlace: true },
    { input: 'bf16', output: 'bf16', residual: 'f32' },
  ];
}

describe('CUDA: operations', () => {
  const reference = new (loadAddon().Device)({ kind: 'reference' });
  const device = openCuda();
  after(() => Promise.all([reference.close(), device.close()]));

  async function hold(operation: CaseOperation, options: RunOptions): Promise<void> {
    const { input, output, residual, inPlace } = options;
    const exact: RunOptions = { input, output: 'f32', residual: residual ?? (inPlace ? output : undefined) ?? input };
    const wanted = await runOperation(reference, operation, exact);
    const run = await prepareOperation(device, operation, options);
    const actual = await run();
    expect(relativeError(actual, wanted), JSON.stringify(options)).to.be.at.most(toleranceOf(options));
    if (workOf(operation) > smallWork) return;
    // The second run is recorded as a graph, the third replays it.
    for (const which of ['second', 'third']) expect(await run(), `${which} run`).to.deep.equal(actual);
  }

  const left: string[] = [];
  for (const { name, operation } of tableOperations()) {
    if (emulated && workOf(operation()) > emulationCap) {
      left.push(`${name} (${(workOf(operation()) / 1e6).toFixed(1)} M)`);
      continue;
    }
    it(name, async () => {
      for (const options of variants(operation())) await hold(operation(), options);
    });
  }
  for (const { name, operation } of extremeOperations()) {
    it(name, async () => {
      for (const input of dtypes) await hold(operation, { input, output: 'f32' });
    });
  }

  after(() => {
    if (left.length === 0) return;
    const cap = `${emulationCap / 1e6} M multiply-adds`;
    console.log(
      `\n  NOT RUN on the emulation, ${left.length} cases above ${cap}; they run on GPUs:\n    ${left.join('\n    ')}`,
    );
  });
});
