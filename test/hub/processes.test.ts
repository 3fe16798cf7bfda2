import { expect } from 'chai';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from '../../lib/hub/lock';
import { runCli } from '../cli/run-cli';
import { sha256 } from '../support/fake-hub';
import { hubAndCache, towerFiles, WEIGHTS } from './support';

describe('processes that want the same model', () => {
  const { at, hub, cache, ensure } = hubAndCache();
  const lock = (): string => path.join(cache(), '.locks/models--acme--tower/qavit.lock');

  it('fetch it once, and all get it', async () => {
    hub().add('acme/tower', towerFiles());
    const env = { HF_ENDPOINT: hub().endpoint, HF_HUB_CACHE: cache() };
    hub().fault = ({ server }, response) => {
      if (server !== 'storage') return false;
      setTimeout(() => response.end(WEIGHTS), 1500); // while the others ask
      return true;
    };
    const all = await Promise.all([1, 2, 3].map(() => runCli(['fetch', 'acme/tower'], { env })));
    for (const { code, stdout, stderr } of all) {
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      expect(readFileSync(path.join(stdout.trim(), 'model.safetensors')).equals(WEIGHTS)).to.equal(true);
    }
    expect(hub().transfers).to.have.length(1);
    expect(existsSync(lock())).to.equal(false);
  });

  it('wait as long as the other lives, and say so', async () => {
    hub().add('acme/tower', towerFiles());
    mkdirSync(path.dirname(lock()), { recursive: true });
    writeFileSync(lock(), '');
    // Beats of 20 ms: six missed ones would be 120.
    let time = Date.now() / 1000;
    const beat = setInterval(() => existsSync(lock()) && utimesSync(lock(), ++time, time), 20);
    try {
      const files: (string | null)[] = [];
      const loading = ensure('acme/tower', 'model', { onProgress: ({ file }) => files.push(file) });
      await sleep(400);
      expect(files).to.deep.equal([null]);
      expect(hub().transfers).to.have.length(0);
      clearInterval(beat);
      await loading; // the other has died: nobody touches its lock any more
      expect(files.at(-1)).to.equal('model.safetensors');
    } finally {
      clearInterval(beat);
    }
    expect(readdirSync(path.dirname(lock()))).to.deep.equal([]);
  });

  it('take what another has published meanwhile', async () => {
    hub().add('acme/tower', towerFiles());
    const blob = path.join(cache(), 'models--acme--tower/blobs', sha256(WEIGHTS));
    hub().fault = ({ server }, response) => {
      if (server !== 'storage') return false;
      // As if this process had been stopped for long: the other has taken its lock, gone on with its partial file and published it.
      response.write(WEIGHTS.subarray(0, 1000), () => {
        setTimeout(() => {
          rmSync(`${blob}.qavit-partial`);
          writeFileSync(blob, WEIGHTS);
          response.end(WEIGHTS.subarray(1000));
        }, 50);
      });
      return true;
    };
    expect(readFileSync(path.join(await ensure(), 'model.safetensors')).equals(WEIGHTS)).to.equal(true);
    expect(hub().transfers).to.have.length(1);
  });

  it('hold a lock one at a time, whoever comes', async () => {
    let [holding, most] = [0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++holding);
      await sleep(5);
      holding -= 1;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(at('lock'), { beatMs: 60 }, work)));
    expect(most).to.equal(1);
  });

  it('take a dead one away once, though many have waited for it', async () => {
    writeFileSync(at('dead'), '');
    let [holding, most] = [0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++holding);
      await sleep(20);
      holding -= 1;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(at('dead'), { beatMs: 60 }, work)));
    expect(most).to.equal(1);
    expect(readdirSync(at('.')).filter((name) => name.startsWith('dead'))).to.deep.equal([]);
  });

  it('let go of a lock when their work fails, and stop waiting when told to', async () => {
    const fails = withLock(at('failing'), { beatMs: 10 }, () => Promise.reject(new Error('work')));
    expect(await fails.catch(String)).to.equal('Error: work');
    expect(existsSync(at('failing'))).to.equal(false);
    writeFileSync(at('held'), '');
    const signal = AbortSignal.timeout(30);
    const waits = withLock(at('held'), { beatMs: 1000, signal }, () => Promise.resolve());
    expect(await waits.catch(({ name }: Error) => name)).to.equal('AbortError');
    expect(existsSync(at('held'))).to.equal(true);
  });
});
