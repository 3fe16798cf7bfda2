import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { ContestResult } from '../../bench/cuda/contest';
import type { KernelResult } from '../../bench/cuda/kernel-contest';
import type { Options } from '../../bench/cuda/options';
import { Report } from '../../bench/cuda/report';
import { spreadOf } from '../../bench/support/quantiles';
import { temporaryFolder } from '../support/temporary';

const INFO = { standIn: true, device: 'CPU', torch: '2', transformers: '5' };
const OPTIONS = { config: 'tiny', dtype: 'bf16', stream: 'f32', tokens: 8, samples: 2, rounds: 1 } as Options;

const caseOf = (name: string, ceiling: number[]) =>
  ({ case: name, gflop: 1, contestants: {}, ceiling, plans: {}, failed: {} }) as unknown as ContestResult;
const kernelOf = (name: string, rate: number) =>
  ({ case: name, rate, unit: 'TFLOP/s', qavit: spreadOf([1]), peers: {} }) as unknown as KernelResult;

describe('bench/cuda: the report', () => {
  const folder = temporaryFolder();
  const log = console.log;
  before(() => (console.log = () => undefined));
  after(() => (console.log = log));

  const reporting = (options: Partial<Options> = {}, gpu = 'a GPU'): Report =>
    new Report(gpu, INFO, { ...OPTIONS, ...options }, path.join(folder(), 'results.json'));
  const written = () =>
    JSON.parse(readFileSync(path.join(folder(), 'results.json'), 'utf8')) as {
      ceiling: { median: number };
      cases: ContestResult[];
      kernels: KernelResult[];
    };

  it('adds to what an earlier run has measured, and measures anew what it has', () => {
    const first = reporting();
    first.addKernel(kernelOf('qkv', 1));
    first.addKernel(kernelOf('out', 2));
    first.addCase(caseOf('1x1', [10]));
    const second = reporting({ samples: 9 });
    second.addKernel(kernelOf('out', 3));
    second.addCase(caseOf('8x1', [30, 20]));
    expect(written().kernels.map(({ case: name, rate }) => [name, rate])).to.deep.equal([
      ['qkv', 1],
      ['out', 3],
    ]);
    expect(written().cases.map((entry) => entry.case)).to.deep.equal(['1x1', '8x1']);
    expect(written().ceiling.median).to.equal(20);
  });

  it('begins anew for another GPU or another model', () => {
    reporting().addKernel(kernelOf('qkv', 1));
    reporting({}, 'another GPU').addKernel(kernelOf('out', 2));
    expect(written().kernels.map((kernel) => kernel.case)).to.deep.equal(['out']);
    reporting({ tokens: 16 }, 'another GPU').addKernel(kernelOf('fc1', 2));
    expect(written().kernels.map((kernel) => kernel.case)).to.deep.equal(['fc1']);
  });
});
