import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { kernelCases } from '../../bench/kernel-cases';
import { temporaryFolder } from '../support/temporary';

const program = path.join(__dirname, '../../bench/kernels.js');

describe('bench/kernels', () => {
  const at = temporaryFolder();
  const bench = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 60_000 });

  it('measures the kernels that are asked for', () => {
    const args = '--dtype f32 --only one --rounds 1 --threads 1 --clock cpu --json'.split(' ');
    const { status, stdout, stderr } = bench(...args, at('kernels.json'));
    expect(status, stderr).to.equal(0);
    const { results, threads } = JSON.parse(readFileSync(at('kernels.json'), 'utf8')) as {
      threads: number;
      results: { case: string; dtype: string; ms: number; share: number }[];
    };
    expect(threads).to.equal(1);
    expect(results.map((result) => [result.case, result.dtype])).to.deep.equal([
      ['linear one row: 1 x 1024 -> 4096', 'f32'],
    ]);
    for (const { ms, share } of results) expect(Math.min(ms, share)).to.be.greaterThan(0);
    expect(stdout).to.include('linear one row');
  });

  it('measures nothing, and says why, where an option means nothing', () => {
    for (const [args, text] of [
      [['--dtype', 'f64'], /^Expected f32, bf16, int8 for --dtype but received 'f64'\n$/],
      [['--rounds', 'many'], /^Expected a positive number for --rounds but received 'many'\n$/],
      [['--threads', '0'], /^Expected a positive number for --threads but received '0'\n$/],
      [['--clock', 'sun'], /^Expected wall, cpu for --clock but received 'sun'\n$/],
      [['--clock', 'cpu'], /^Expected --threads 1 with --clock cpu but received none\n$/],
      [['--only', 'convolution'], /^Expected a part of a kernel's name for --only but received 'convolution'\n$/],
      [['--speed', 'high'], /Unknown option '--speed'.*; see --help/],
    ] as const) {
      const { status, stderr } = bench(...args, '--json', at('none.json'));
      expect(stderr).to.match(text);
      expect(status).to.equal(1);
    }
    expect(existsSync(at('none.json'))).to.equal(false);
    expect(bench('--help').stdout).to.match(/^The CPU kernels alone/);
  });

  it('waits for the pages of weights as they are held', () => {
    const bytes = (dtype: 'f32' | 'bf16' | 'int8') => kernelCases(dtype, 'bf16')[0]!.weightBytes;
    expect([bytes('f32'), bytes('bf16'), bytes('int8')]).to.deep.equal([4, 2, 1].map((size) => size * 3072 * 1024));
  });
});
