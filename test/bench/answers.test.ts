import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fixture } from '../support/paths';
import { temporaryFolder } from '../support/temporary';

const program = path.join(__dirname, '../../bench/answers.js');

describe('bench/answers', () => {
  const at = temporaryFolder();
  const bench = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 60_000 });

  it('measures the steps of a T5, alone and together', () => {
    const json = at('answers.json');
    const sizes = '--answers 1,3 --visual 5 --steps 2 --rounds 2 --threads 1 --dtype f32 --json'.split(' ');
    const { status, stdout, stderr } = bench(fixture('language', 't5-plain'), ...sizes, json);
    expect(status, stderr).to.equal(0);
    expect(stdout).to.match(/^t5-plain, f32, 5 visual tokens, .*\n {3}1 at a time .* tokens\/s\n {3}3 at a time /);
    const { results, ...how } = JSON.parse(readFileSync(json, 'utf8')) as {
      results: { answers: number; step: { median: number }; tokensPerSecond: number }[];
    };
    expect(how).to.deep.include({ model: 't5-plain', threads: 1, dtype: 'f32', visual: 5, steps: 2, rounds: 2 });
    expect(results.map(({ answers }) => answers)).to.deep.equal([1, 3]);
    for (const { answers, step, tokensPerSecond } of results) {
      expect(tokensPerSecond).to.be.closeTo((answers / step.median) * 1e3, 1e-6);
    }
  });

  it('says what is wrong, and shows its help', () => {
    for (const [args, text] of [
      [[], /Expected the folder of a T5 but received 0 arguments; see --help/],
      [['a', '--answers', '0'], /Expected a positive number for --answers but received '0'/],
      [[at('nowhere')], /config\.json/],
      [['a', '--speed', 'high'], /Unknown option '--speed'.*; see --help/],
    ] as const) {
      const { status, stderr } = bench(...args);
      expect(stderr).to.match(text);
      expect(status).to.equal(1);
    }
    expect(bench('--help').stdout).to.match(/^What a T5 takes to write answers/);
  });
});
