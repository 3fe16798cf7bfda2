import { expect } from 'chai';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DownloadProgress } from '../../lib';
import { expectRejection } from '../support/expect-error';
import { type Fault, sha256 } from '../support/fake-hub';
import { hubAndCache, towerFiles, WEIGHTS } from './support';

describe('downloads from a hub', () => {
  const { hub, cache, ensure, settings } = hubAndCache();
  const blobs = (): string => path.join(cache(), 'models--acme--tower/blobs');
  const partial = (): string => path.join(blobs(), `${sha256(WEIGHTS)}.qavit-partial`);
  const weightsIn = (folder: string): Buffer => readFileSync(path.join(folder, 'model.safetensors'));
  const expectWhole = (folder: string): void => {
    expect(weightsIn(folder).equals(WEIGHTS)).to.equal(true);
    expect(readdirSync(blobs()).filter((name) => name.includes('partial'))).to.deep.equal([]);
  };

  /** An empty cache but for a part of the weights. */
  const leave = (part: Buffer): void => {
    rmSync(cache(), { recursive: true, force: true });
    mkdirSync(blobs(), { recursive: true });
    writeFileSync(partial(), part);
  };

  const written = async (bytes: number): Promise<void> => {
    while (!existsSync(partial()) || statSync(partial()).size < bytes) await sleep(5);
  };

  /** Sends the first `length` bytes of what is asked for, `times` times, then cuts the connection. */
  const dropping = (length: number, times = 1): Fault => {
    let left = times;
    return ({ server, headers }, response) => {
      if (server !== 'storage' || left-- <= 0) return false;
      const start = Number(/\d+/.exec(headers.range ?? '')?.[0] ?? 0);
      const rest = WEIGHTS.subarray(start);
      const range = headers.range && { 'content-range': `bytes ${start}-${WEIGHTS.length - 1}/${WEIGHTS.length}` };
      response.writeHead(range ? 206 : 200, { 'content-length': rest.length, ...range });
      response.write(rest.subarray(0, length));
      // fetch() throws away what it has not handed out when a connection breaks: all of it has to be on the disk before.
      void written(start + length).then(() => response.destroy());
      return true;
    };
  };

  beforeEach(() => hub().add('acme/tower', towerFiles()));

  it('fetch what is needed and nothing else, and tell how far they are', async () => {
    const told: DownloadProgress[] = [];
    expectWhole(await ensure('acme/tower', 'model', { onProgress: (progress) => told.push(progress) }));
    expect(hub().resolved.sort()).to.deep.equal(['config.json', 'model.safetensors', 'preprocessor_config.json']);
    const total = WEIGHTS.length + JSON.stringify({ model_type: 'clip_vision_model' }).length + 2;
    expect(told.at(-1)).to.deep.equal({ name: 'acme/tower', file: 'model.safetensors', received: total, total });
    told.reduce((before, now) => {
      expect(now.received).to.be.at.least(before.received);
      return now;
    });
  });

  it('find files in a long listing, and ask for all as it is: compressed, nothing would be as long as the listing says', async () => {
    const others = Array.from({ length: 5000 }, (_, i) => [`checkpoints/${i}/optimizer.bin`, 'not needed'] as const);
    hub().add('acme/tower', { ...Object.fromEntries(others), ...towerFiles() });
    expectWhole(await ensure());
    expect(new Set(hub().requests.map(({ headers }) => headers['accept-encoding']))).to.deep.equal(
      new Set(['identity']),
    );
  });

  it('go on where the connection broke', async () => {
    hub().fault = dropping(100_000, 2);
    expectWhole(await ensure());
    expect(hub().transfers).to.deep.equal(['all', 'bytes=100000-', 'bytes=200000-']);
  });

  it('go on where an earlier process ended, and give up on a connection that breaks at once', async () => {
    let [left, sent] = [1, 0];
    const once = dropping(50_000);
    hub().fault = (request, response) => {
      if (request.server !== 'storage') return false;
      if (left-- > 0) return once(request, response);
      sent += 1;
      response.destroy();
      return true;
    };
    await expectRejection(ensure(), 'ERR_NETWORK', /Expected 300000 bytes for http.* but received 50000 bytes, then /);
    expect(sent, 'attempts without progress').to.equal(5);
    expect(readFileSync(partial())).to.have.length(50_000);
    hub().fault = () => false;
    expectWhole(await ensure());
    expect(hub().transfers.at(-1)).to.equal('bytes=50000-');
  });

  it('begin anew where a server knows no ranges, or refuses one', async () => {
    for (const status of [200, 416, 206]) {
      leave(WEIGHTS.subarray(0, 1000));
      hub().fault = ({ server, headers }, response) => {
        if (server !== 'storage' || !headers.range) return false;
        // 206 with another range than was asked for: taken for granted, it would shift all that follows.
        const range = status === 206 && { 'content-range': `bytes 0-${WEIGHTS.length - 1}/${WEIGHTS.length}` };
        response.writeHead(status, { ...range }).end(status === 416 ? '' : WEIGHTS);
        return true;
      };
      expectWhole(await ensure());
    }
  });

  it('do not trust what an earlier process left', async () => {
    for (const [bytes, asked] of [
      [1000, ['bytes=1000-', 'all']],
      [WEIGHTS.length, ['all']],
      // Of what is too long there is no rest to ask for.
      [WEIGHTS.length + 1, ['all']],
    ] as const) {
      leave(Buffer.alloc(bytes));
      const before = hub().transfers.length;
      expectWhole(await ensure());
      expect(hub().transfers.slice(before), `${bytes} bytes`).to.deep.equal(asked);
    }
  });

  it('refuse content that is not what the hub says, and keep none of it', async () => {
    hub().fault = ({ path: asked }, response) => {
      if (!asked.endsWith('/preprocessor_config.json')) return false;
      response.end('[]');
      return true;
    };
    await expectRejection(ensure(), 'ERR_FORMAT', /content with the hash [0-9a-f]{40} for .*preprocessor_config\.json/);
    const spoilt = Buffer.from(WEIGHTS);
    spoilt[5] = spoilt[5]! ^ 1;
    hub().fault = ({ server }, response) => {
      if (server !== 'storage') return false;
      response.end(spoilt);
      return true;
    };
    const message = new RegExp(`content with the hash ${sha256(WEIGHTS)} for .* received some with ${sha256(spoilt)}$`);
    await expectRejection(ensure(), 'ERR_FORMAT', message);
    expect(hub().transfers, 'fetched once: it was whole').to.have.length(1);
    expect(existsSync(partial())).to.equal(false);
    await expectRejection(ensure('acme/tower', 'model', { offline: true }), 'ERR_ARGUMENT', /none in/);
  });

  it('refuse lengths that are not what the hub says', async () => {
    hub().fault = ({ server }, response) => {
      if (server !== 'storage') return false;
      response.end(Buffer.concat([WEIGHTS, WEIGHTS]));
      return true;
    };
    await expectRejection(ensure(), 'ERR_FORMAT', /300000 bytes, as the hub says, for model\.safetensors .* more/);
    hub().fault = () => false;
    for (const [bytes, message] of [
      [1e15, /Expected \d+ bytes free for .*HF_HUB_CACHE/],
      [-1, /a hash and a size for model\.safetensors/],
      [1.5, /a hash and a size/],
      ['5', /a hash and a size/],
      [10, /10 bytes, as the hub says, for model\.safetensors/],
    ] as const) {
      hub().add('acme/tower', towerFiles({ bytes }));
      const code = bytes === 1e15 ? 'ERR_ARGUMENT' : 'ERR_FORMAT';
      await expectRejection(ensure(), code, message);
    }
    hub().add('acme/tower', towerFiles({ bytes: WEIGHTS.length + 1 }));
    await expectRejection(ensure(), 'ERR_NETWORK', /Expected 300001 bytes .* received 300000 bytes/);
  });

  it('bear a server that is busy, and one that says nothing for a while', async () => {
    for (const status of [429, 500, 502, 503, 504]) {
      let left = 2;
      hub().fault = (_, response) => {
        if (left-- <= 0) return false;
        response.writeHead(status, { 'retry-after': '0' }).end();
        return true;
      };
      await ensure();
      rmSync(cache(), { recursive: true });
    }
    let silent = true;
    hub().fault = ({ server }, response) => {
      if (server !== 'storage' || !silent) return false;
      silent = false;
      response.writeHead(200, { 'content-length': WEIGHTS.length }).write(WEIGHTS.subarray(0, 10));
      return true; // and never ends
    };
    expectWhole(await ensure('acme/tower', 'model', { settings: settings({ timeoutMs: 150 }) }));
    expect(hub().transfers.slice(-2)).to.deep.equal(['all', 'bytes=10-']);
  });

  it('bear a server that is slow, as long as it says something', async () => {
    hub().fault = ({ server }, response) => {
      if (server !== 'storage') return false;
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      void (async () => {
        // In all twice as long as it may be silent for.
        for (let at = 0; at < WEIGHTS.length; at += 30_000) {
          response.write(WEIGHTS.subarray(at, at + 30_000));
          await sleep(120);
        }
        response.end();
      })();
      return true;
    };
    expectWhole(await ensure('acme/tower', 'model', { settings: settings({ timeoutMs: 600 }) }));
    expect(hub().transfers).to.deep.equal(['all']);
  });

  it('wait until the date that a busy server names, and give up where that is far', async () => {
    const busy = (retryAfter: string, until = Infinity): void => {
      hub().fault = (_, response) => {
        if (Date.now() >= until) return false;
        response.writeHead(429, { 'retry-after': retryAfter }).end();
        return true;
      };
    };
    // Dates have whole seconds; repeated after five milliseconds, all attempts would be over by then.
    const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000);
    busy(soon.toUTCString(), soon.getTime());
    expectWhole(await ensure());
    const { length } = hub().requests;
    const later = new Date(Date.now() + 3_600_000).toUTCString();
    for (const wait of ['3600', later]) {
      busy(wait);
      await expectRejection(
        ensure('acme/other'),
        'ERR_NETWORK',
        /a list of files for acme\/other .* received status 429, and to be asked again in (3600|359\d) s$/,
      );
    }
    expect(hub().requests).to.have.length(length + 2);
  });

  it('give up on a server that stays busy or silent, in its own words', async () => {
    hub().fault = (_, response) => {
      response.writeHead(503, { 'x-error-message': 'down for\xa0repairs' }).end();
      return true;
    };
    await expectRejection(
      ensure(),
      'ERR_NETWORK',
      /acme\/tower at http.* but received status 503, "down for repairs"$/,
    );
    hub().fault = () => true;
    const impatient = settings({ timeoutMs: 50 });
    await expectRejection(
      ensure('acme/tower', 'model', { settings: impatient }),
      'ERR_NETWORK',
      /no answer from http.*: nothing for 0\.05 seconds/,
    );
  });

  it('stop when their signal fires, and go on later', async () => {
    hub().fault = ({ server }, response) => {
      if (server !== 'storage') return false;
      response.writeHead(200, { 'content-length': WEIGHTS.length }).write(WEIGHTS.subarray(0, 1234));
      return true;
    };
    const controller = new AbortController();
    const loading = ensure('acme/tower', 'model', { signal: controller.signal });
    loading.catch(() => undefined);
    await written(1234);
    controller.abort();
    await expectRejection(loading, 'ERR_ABORTED', /completion for the download of acme\/tower/);
    const aborted = ensure('acme/tower', 'model', { signal: AbortSignal.abort() });
    await expectRejection(aborted, 'ERR_ABORTED', /completion for the download of acme\/tower/);
    hub().fault = () => false;
    expectWhole(await ensure());
    expect(hub().transfers.at(-1)).to.equal('bytes=1234-');
  });
});
