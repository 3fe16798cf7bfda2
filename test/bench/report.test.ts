import { expect } from 'chai';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { chart } from '../../bench/report/chart';
import { bestPyTorch, milliseconds } from '../../bench/report/figures';
import { markdown } from '../../bench/report/markdown';
import {
  type CaseResult,
  caseResult,
  type KernelsResult,
  Results,
  serialize,
  titleOf,
} from '../../bench/report/results';
import { linesOf } from '../../bench/report/terminal';
import type { Rounds } from '../../bench/run/turns';
import { BenchError } from '../../bench/support/bench-error';
import { temporaryFolder } from '../support/temporary';

const roundsOf = (...ms: number[][]): Rounds => ({ ms, cpuMs: ms, peakBytes: 2e9, spentMs: 0 });
const MACHINE = { cpu: 'a|b', cores: 2, memoryGB: 8, os: 'linux x64' };

function resultOf(name: string, missing: Record<string, string> = {}): CaseResult {
  const times = new Map([
    ['qavit', roundsOf([100, 104, 102], [101, 103, 102])],
    ['torch', roundsOf([300, 310, 305], [310, 310, 310])],
    ['torch-compiled', roundsOf([200, 210, 205], [204, 204, 206])],
  ]);
  const abouts = { qavit: { versions: { qavit: '1.2.3' }, weightBytes: 1.2e9 } };
  return caseResult({
    name,
    threads: 2,
    clock: 'wall',
    times,
    abouts,
    agreement: { qavit: 0.9999 },
    missing,
    others: 0.426,
  });
}

const barWidths = (svg: string): number[] =>
  [...svg.matchAll(/width="([^"]*)" height="12"/g)].map((match) => Number(match[1]));

const KERNELS: KernelsResult = {
  case: 'kernels/f32',
  commit: 'c',
  at: '',
  threads: 2,
  clock: 'wall',
  isa: 'avx2',
  peak: 234,
  kernels: [{ case: 'linear | qkv', ms: 1.5, rate: 210, unit: 'GFLOP/s', share: 0.9 }],
};

describe('bench/results', () => {
  const folder = temporaryFolder();
  const fileOf = (name: string): string => path.join(folder(), name);

  it('are medians, the best, ratios within rounds, and all raw times', () => {
    const { contestants, ratios, others } = resultOf('tower');
    expect(contestants.qavit).to.deep.include({ median: 102, p10: 100, best: 100, peakMB: 2000, weightMB: 1200 });
    expect(contestants.qavit!.ms).to.deep.equal([
      [100, 104, 102],
      [101, 103, 102],
    ]);
    expect(ratios.torch!.rounds).to.deep.equal([2.9902, 3.03922]);
    expect(others).to.equal(0.43);
    expect(Object.keys(ratios)).to.deep.equal(['torch', 'torch-compiled']);
  });

  it('are kept from run to run, the same case replaced', () => {
    const file = fileOf('kept.json');
    const first = Results.open(file, MACHINE);
    first.add(resultOf('a'));
    first.add(resultOf('b', { pillow: 'not there' }));
    const second = Results.open(file, MACHINE);
    second.add(resultOf('a', { torch: 'gone' }));
    const stored = JSON.parse(readFileSync(file, 'utf8')) as { cases: CaseResult[]; machine: unknown };
    expect(stored.cases.map((entry) => [entry.case, entry.missing])).to.deep.equal([
      ['a', { torch: 'gone' }],
      ['b', { pillow: 'not there' }],
    ]);
    second.add({ ...resultOf('a'), threads: 1, clock: 'cpu' });
    expect(second.all.map(titleOf)).to.deep.equal(['a, 1 thread, CPU time', 'a, 2 threads', 'b, 2 threads']);
    expect(stored.machine).to.deep.equal(MACHINE);
    expect(second.fileWith('.md')).to.equal(fileOf('kept.md'));
  });

  it('stand in the order of the table of cases', () => {
    const results = Results.open(fileOf('order.json'), MACHINE);
    for (const name of ['tower/vit-b-32/f32/1', 'ask/demo', 'kernels/f32']) results.add(resultOf(name));
    expect(results.all.map((entry) => entry.case)).to.deep.equal(['kernels/f32', 'ask/demo', 'tower/vit-b-32/f32/1']);
  });

  it('are there as they were where writing is cut off', () => {
    const file = fileOf('cut.json');
    const results = Results.open(file, MACHINE);
    results.add(resultOf('a'));
    const before = readFileSync(file, 'utf8');
    mkdirSync(`${file}.part`); // nothing can be written under that name
    expect(() => results.add(resultOf('b'))).to.throw('EISDIR');
    expect(readFileSync(file, 'utf8')).to.equal(before);
  });

  it('of another machine, or no results at all, are left alone', () => {
    const file = fileOf('other.json');
    Results.open(file, MACHINE).add(resultOf('a'));
    expect(() => Results.open(file, { ...MACHINE, cores: 64 })).to.throw(BenchError, 'a|b, 2 cores');
    for (const content of ['', '[]', '{"cases":[]}', 'null', '{"machine":{},"cases":{}}']) {
      writeFileSync(file, content);
      expect(() => Results.open(file, MACHINE), content).to.throw(BenchError, 'results of this benchmark');
    }
  });

  it('are written with a line for a list of numbers', () => {
    const value = { ms: [[1.5, 2e-7], [3]], names: ['a, b', 'c'], none: [] };
    expect(serialize(value)).to.include('[1.5, 2e-7]');
    expect(JSON.parse(serialize(value))).to.deep.equal(value);
    // Of what JSON has no word for; it once took ten times as long for each value before it.
    const odd = { ms: [...Array<number>(40).fill(1.23456), NaN, -1e-9] };
    expect(JSON.parse(serialize(odd))).to.deep.equal({ ms: odd.ms.map((value) => (isNaN(value) ? null : value)) });
    expect(serialize(odd).split('\n')).to.have.length(4);
  });
});

describe('bench/report', () => {
  const result = resultOf('tower/<b>/f32/1', { onnxruntime: 'no | such module' });

  it('counts the fastest PyTorch', () => {
    expect(bestPyTorch(result)).to.equal('torch-compiled');
    const quick = { ...result.contestants.torch!, median: 1 };
    for (const name of ['published', 'pairwise', 'reuse']) {
      expect(bestPyTorch({ ...result, contestants: { ...result.contestants, [name]: quick } })).to.equal(name);
    }
    const others = { ...result.contestants, onnxruntime: quick, pillow: quick, plain: quick };
    expect(bestPyTorch({ ...result, contestants: others })).to.equal('torch-compiled');
    expect(bestPyTorch({ ...result, contestants: {} })).to.equal(undefined);
  });

  it('tells the terminal of everyone, those who are missing too', () => {
    const lines = linesOf(result);
    expect(lines).to.match(/qavit +102 ms \(100 ms - 104 ms\) +best 100 ms/);
    expect(lines).to.match(/torch-compiled .*qavit is 2\.0\dx as fast/);
    expect(lines).to.include('MISSING onnxruntime: no | such module');
    expect(lines).to.include('43% of the cores');
    expect(linesOf(KERNELS)).to.match(/linear \| qkv +1\.500 ms +210 GFLOP\/s +90%/);
  });

  it('writes tables whose rows have the columns of their heads', () => {
    const text = markdown([result, KERNELS], MACHINE);
    const tables = text.split('\n').filter((line) => line.startsWith('|'));
    const columns = tables.map((line) => line.replaceAll('\\|', '').split('|').length - 2);
    expect(new Set(columns)).to.deep.equal(new Set([9, 4]));
    expect(text).to.include('torch-compiled (best PyTorch)').and.to.include('**missing**: no \\| such module');
    expect(text).to.include('- qavit 1.2.3').and.to.include('linear \\| qkv');
  });

  it('names every version that a result was measured with', () => {
    const older = { ...result, contestants: { qavit: { ...result.contestants.qavit!, versions: { qavit: '1.2.2' } } } };
    expect(markdown([older, result, result], MACHINE).match(/^- qavit .*$/gm)).to.deep.equal([
      '- qavit 1.2.2',
      '- qavit 1.2.3',
    ]);
  });

  it('draws a bar as long as the ratio for each peer', () => {
    const svg = chart([result, KERNELS])!;
    const widths = barWidths(svg);
    expect(widths).to.have.length(2);
    expect(widths[0]! / widths[1]!).to.be.closeTo(
      result.ratios.torch!.median / result.ratios['torch-compiled']!.median,
      1e-9,
    );
    expect(svg).to.include('tower/&lt;b&gt;/f32/1').and.not.to.include('<b>');
  });

  it('cuts a bar that would make the others too short to compare, not its number', () => {
    const ratios = { torch: { ...result.ratios.torch!, median: 99.14 }, 'torch-compiled': result.ratios.torch! };
    const svg = chart([{ ...result, ratios }])!;
    expect(svg).to.include('99.14x torch');
    const [cut, whole] = barWidths(svg);
    expect(cut! / whole!).to.be.closeTo(4 / result.ratios.torch!.median, 1e-9);
  });

  it('draws nothing where there is nothing to compare', () => {
    expect(chart([KERNELS, { ...result, ratios: {} }])).to.equal(undefined);
  });

  it('writes times as long as they need to be', () => {
    expect([0.4567, 12.345, 1869.2, 23_100].map(milliseconds)).to.deep.equal([
      '0.457 ms',
      '12.3 ms',
      '1,869 ms',
      '23.1 s',
    ]);
  });
});
