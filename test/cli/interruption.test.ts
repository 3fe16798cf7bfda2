import { expect } from 'chai';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { finish } from './run-cli';

const pathOf = (name: string): string => JSON.stringify(path.join(__dirname, '..', '..', 'lib', 'cli', name));

/** A command that does `work`, and says `ready` when it may be interrupted. */
function command(work: string): ChildProcessWithoutNullStreams {
  const program = `
    const interruption = require(${pathOf('interruption')}).watchInterruption();
    const { print } = require(${pathOf('output')});
    ${work}
    process.stdout.write('ready');`;
  return spawn(process.execPath, ['-e', program], { timeout: 30_000, killSignal: 'SIGKILL' });
}

describe('cli interruption', () => {
  const stubborn = 'setInterval(() => undefined, 1000);';

  it('ends at the second Ctrl-C what does not end at the first', async () => {
    const child = command(`
      ${stubborn}
      interruption.isNormal(600_000);
      interruption.signal.addEventListener('abort', () => console.log(' asked'));`);
    const ended = finish(child);
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    expect(await ended).to.deep.equal({ code: 130, signal: null, stdout: 'ready asked\n', stderr: '' });
  });

  it('ends what does not end in the time that it was given', async () => {
    const child = command(`${stubborn} interruption.isNormal(20);`);
    const ended = finish(child);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await ended).to.deep.equal({ code: 143, signal: null, stdout: 'ready', stderr: '' });
  });

  it('waits for a slow reader, and no longer for one that has left', async () => {
    const printing = `
      const text = 'x'.repeat(2 ** 22);
      print(text, interruption.signal).then(() => process.stderr.write('printed ' + process.stdout.writableLength));`;
    const slow = command(printing);
    const whole = finish(slow);
    expect((await whole).stdout).to.have.length(2 ** 22 + 'ready'.length);
    expect((await whole).stderr).to.equal('printed 0');
    const left = command(printing);
    const ended = finish(left);
    await once(left.stdout, 'data');
    left.stdout.destroy();
    expect(await ended).to.include({ code: 0, signal: null });
    expect((await ended).stderr).to.match(/^printed /);
  });
});
