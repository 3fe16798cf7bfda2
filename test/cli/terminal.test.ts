import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { root } from '../support/paths';
import { MAIN } from './run-cli';

const SAMPLES = path.join(root, 'models', 'demo', 'samples');
const ASK = ['ask', path.join(SAMPLES, 'shapes.png'), 'what digit is on the red square?'];

/** What the command writes to a terminal, which util-linux's `script` makes. */
function onTerminal(args: readonly string[], env: Record<string, string> = {}): string {
  const quoted = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  const { stdout } = spawnSync('script', ['-qec', quoted, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', ...env },
    encoding: 'utf8',
  });
  return stdout.replace(/\r\n/g, '\n');
}

/** Of a line what was written after it was erased last. */
const ERASE = '\r\u001b[K';
const left = (written: string): string =>
  written
    .split('\n')
    .map((line) => line.split(ERASE).at(-1))
    .join('\n');

describe('cli on a terminal', () => {
  before(function () {
    const { stdout } = spawnSync('script', ['--version'], { encoding: 'utf8' });
    if (!stdout?.includes('util-linux')) this.skip();
  });

  it('shows what it does on one line, and takes it away before the answer', () => {
    const written = onTerminal(ASK);
    expect(written).to.include(`${ERASE}⠋ loading demo`);
    expect(left(written)).to.match(/^8\nanswered in \d+ ms after loading for \d+ ms\n$/);
  });

  it('says that an answer was cut', () => {
    expect(left(onTerminal([...ASK, '--max-new-tokens', '1']))).to.match(/^8\ncut at --max-new-tokens 1\nanswered /);
  });

  it('writes the answer alone where it is to be quiet, or the terminal erases nothing', () => {
    expect(onTerminal([...ASK, '--quiet'])).to.equal('8\n');
    expect(onTerminal(ASK, { TERM: 'dumb' })).to.equal('8\n');
  });

  it('leaves no line behind where it fails', () => {
    expect(left(onTerminal(['ask', path.join(SAMPLES, 'samples.json'), 'what?']))).to.match(/^qavit: .*\nhint: .*\n$/);
  });
});
