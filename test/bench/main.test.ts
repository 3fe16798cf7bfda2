import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { CaseResult } from '../../bench/report/results';
import { temporaryFolder } from '../support/temporary';

const main = path.join(__dirname, '../../bench/main.js');

describe('bench/main', () => {
  const folder = temporaryFolder();

  function bench(...args: string[]) {
    const env = { ...process.env, PYTHON: '/nowhere/python' };
    return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env, timeout: 60_000 });
  }

  it('measures an answer of the demo model, without Python', () => {
    const json = path.join(folder(), 'ask.json');
    const { status, stdout, stderr } = bench('--cases', 'ask', '--rounds', '2', '--threads', '1', '--json', json);
    expect(status, stderr).to.equal(0);
    expect(stdout).to.include('ask/demo');
    const { cases } = JSON.parse(readFileSync(json, 'utf8')) as { cases: CaseResult[] };
    const { median, ms } = cases[0]!.contestants.qavit!;
    expect(ms).to.have.length(2);
    expect(median).to.be.greaterThan(0);
    expect(readFileSync(path.join(folder(), 'ask.md'), 'utf8')).to.include('| ask/demo, 1 thread | qavit |');
  });

  it('says loudly what it cannot measure, and fails', () => {
    const json = path.join(folder(), 'none.json');
    const { status, stdout } = bench('--cases', 'tower/tiny/f32/1', '--json', json);
    expect(status).to.equal(1);
    expect(stdout).to.match(/MISSING\n {2}tower\/tiny\/f32\/1: Expected '\/nowhere\/python' to make tiny/);
    expect(existsSync(json)).to.equal(false);
    expect(stdout).to.not.include('none.{json');
  });

  it('refuses what it does not know in words, and shows its help', () => {
    const { status, stderr } = bench('--peers', 'jax');
    expect(status).to.equal(1);
    expect(stderr).to.match(/^Expected onnxruntime, .* for --peers but received 'jax'\n$/);
    expect(bench('--help').stdout).to.include('npm run bench');
  });
});
