/** That what goes wrong on a GPU is told, and does not stop what tells it. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { emulated } from '../support/cuda';

const program = (...name: string[]): string => path.join(__dirname, '..', ...name);

function run(file: string, args: readonly string[], emulation?: string) {
  const env = { ...process.env, ...(emulation !== undefined && { QAVIT_EMULATION: emulation }) };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', env });
  return { status, signal, stdout, stderr };
}

const diagnose = (grep: string, args: readonly string[], emulation?: string) =>
  run(program('diagnosis', 'main.js'), ['--grep', grep, ...args], emulation);

describe('CUDA: diagnosis', () => {
  it('says of operations that they are right', () => {
    const { status, stdout, stderr } = diagnose('linear: one row', []);
    expect(stdout.trim(), stderr).to.equal('5 right, 0 not');
    expect(status).to.equal(0);
  });

  if (!emulated) return;

  it('says which operation costs its process the GPU, and goes on', () => {
    const { status, stdout } = diagnose('relu, large', [], 'fault=20');
    expect(status).to.equal(1);
    expect(stdout).to.match(/^FAILS {4}linear: relu, large values, bf16 to f32\n {4}.*cudaErrorIllegalAddress/m);
    expect(stdout).to.match(/^ {4}serial: \w+, portable: \w+, tile 0: \w+,.* tile 4: \w+$/m);
    expect(stdout).to.match(/^3 right, 2 not$/m);
  });

  it('says which operation hangs, and how else it does', () => {
    const { status, stdout } = diagnose('rms_norm', ['--patience', '10', '--seconds', '1'], 'hang=1');
    expect(status).to.equal(1);
    expect(stdout).to.match(
      /^HANGS {4}rms_norm: .*\n {4}.* gave no answer in 10 s\n {4}serial: hangs, portable: hangs$/m,
    );
    expect(stdout).to.match(/^0 right, 1 not, \d+ not looked at: the time is over$/m);
  }).timeout(120_000);

  it('is left time by a tower of two layers that hangs', () => {
    const { status, signal, stdout } = run(program('support', 'two-layers.js'), ['3'], 'hang=1');
    expect({ status, signal, stdout }).to.deep.equal({ status: null, signal: 'SIGKILL', stdout: '' });
  });
});
