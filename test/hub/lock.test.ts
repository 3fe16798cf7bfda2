import { expect } from 'chai';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from '../../lib/hub/lock';
import { temporaryFolder } from '../support/temporary';

describe('the lock of a download', () => {
  const at = temporaryFolder();
  /** A holder counts as dead after six of them: more than this process is ever kept waiting. */
  const beatMs = 200;

  it('has one holder at a time, however long one works, and is gone afterwards', async () => {
    const file = at('one.lock');
    let [inside, most, waited] = [0, 0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await sleep(9 * beatMs);
      inside--;
    };
    const onWait = (): number => ++waited;
    await Promise.all([withLock(file, { beatMs, onWait }, work), withLock(file, { beatMs, onWait }, work)]);
    expect([most, waited]).to.deep.equal([1, 1]);
    expect(existsSync(file)).to.equal(false);
  });

  it('is taken from a holder that died', async () => {
    const file = at('dead.lock');
    writeFileSync(file, '');
    expect(await withLock(file, { beatMs: 20 }, () => Promise.resolve('done'))).to.equal('done');
    expect(existsSync(file)).to.equal(false);
  });

  it('is left to whoever took it over', async () => {
    const file = at('other.lock');
    const other = at('made-meanwhile.lock');
    await withLock(file, { beatMs }, () => {
      writeFileSync(other, ''); // beside the first, so that the two are told apart
      renameSync(other, file);
      return Promise.resolve();
    });
    expect(existsSync(file)).to.equal(true);
  });

  it('is given back where the work fails, and not waited for after an abort', async () => {
    const file = at('failed.lock');
    const failure = new Error('broken');
    const failed = withLock(file, { beatMs }, () => Promise.reject(failure));
    expect(await failed.catch((error: unknown) => error)).to.equal(failure);
    expect(existsSync(file)).to.equal(false);
    writeFileSync(file, '');
    const abort = new AbortController();
    const waiting = withLock(file, { beatMs, signal: abort.signal }, () => Promise.resolve());
    abort.abort();
    expect(((await waiting.catch((error: unknown) => error)) as Error).name).to.equal('AbortError');
    expect(existsSync(file)).to.equal(true);
  });
});
