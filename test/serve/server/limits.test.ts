import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { ServerOptions } from '../../../lib/serve';
import { FairSlots } from '../../../lib/serve/batcher/fair-slots';
import { checkQuestion, readImage } from '../../../lib/serve/server/images';
import { checkServerOptions } from '../../../lib/serve/server/options';
import { FakeModel } from '../batcher/fake-model';
import { asked, listen, serversForTests, until } from './open-servers';
import { dataUrl, post, sample } from './requests';

describe('what a server lets in', () => {
  const open = serversForTests();

  it('refuses what is beyond the queue with 429 and Retry-After', async () => {
    const model = new FakeModel();
    const app = await open(model, { batching: { maxPending: 1 } });
    const first = post(app, '/v1/visual-tokens', asked);
    await until(() => model.waiting > 0);
    const { statusCode, headers, body } = await post(app, '/v1/visual-tokens', { ...asked, question: 'another' });
    expect([statusCode, body.error.code, headers['retry-after']]).to.deep.equal([429, 'server_busy', '1']);
    model.release();
    expect((await first).statusCode).to.equal(200);
  });

  it('counts requests of each client', async () => {
    const app = await open(new FakeModel(false), { rateLimit: { max: 2 }, apiKeys: ['a', 'b'] });
    const status = async (key: string) =>
      (await app.inject({ url: '/v1/models', headers: { authorization: `Bearer ${key}` } })).statusCode;
    expect([await status('a'), await status('a'), await status('a'), await status('b')]).to.deep.equal([
      200, 200, 429, 200,
    ]);
    expect((await app.inject('/healthz')).statusCode).to.equal(200);
  });

  it('counts those who try out keys by their address, and lets who has one pass', async () => {
    const app = await open(new FakeModel(false), { rateLimit: { max: 2 }, apiKeys: ['a'] });
    for (const [url, again] of [
      ['/v1/models', 429],
      ['/metrics', 200],
    ] as const) {
      const statuses: number[] = [];
      for (const key of ['b', 'c', 'd', 'a', 'a', 'a']) {
        statuses.push((await app.inject({ url, headers: { authorization: `Bearer ${key}` } })).statusCode);
      }
      expect(statuses).to.deep.equal([401, 401, 429, 200, 200, again]);
    }
    // A body is not read before the key was seen.
    const image = 'x'.repeat(30_000_000);
    expect((await post(app, '/v1/visual-tokens', { ...asked, image })).statusCode).to.equal(429);
    const unlimited = await open(new FakeModel(false), { apiKeys: ['a'] });
    expect((await post(unlimited, '/v1/visual-tokens', { ...asked, image })).statusCode).to.equal(401);
  });

  it('believes X-Forwarded-For only when told to, and of it only what the proxy added', async () => {
    const callers = async (options: ServerOptions) => {
      const app = await open(new FakeModel(false), { ...options, rateLimit: { max: 1 } });
      const status = async (forwarded: string) =>
        (await app.inject({ url: '/v1/models', headers: { 'x-forwarded-for': forwarded } })).statusCode;
      return [await status('1.1.1.1'), await status('9.9.9.9, 1.1.1.1'), await status('2.2.2.2')];
    };
    expect(await callers({})).to.deep.equal([200, 429, 429]);
    expect(await callers({ trustProxy: true })).to.deep.equal([200, 429, 200]);
  });

  it('takes a network of IPv6 for one client, since each of its hosts has more addresses than can be counted', async () => {
    const app = await open(new FakeModel(false), { trustProxy: true, rateLimit: { max: 1 } });
    const status = async (forwarded: string) =>
      (await app.inject({ url: '/v1/models', headers: { 'x-forwarded-for': forwarded } })).statusCode;
    expect(await status('2001:db8:1:2::7')).to.equal(200);
    expect(await status('2001:db8:1:2:3:4:5:6')).to.equal(429);
    expect(await status('2001:db8:1:3::7')).to.equal(200);
    expect(await status('::ffff:1.1.1.1')).to.equal(200);
    expect(await status('1.1.1.1')).to.equal(429);
    expect(await status('::ffff:1.1.1.2')).to.equal(200);
    expect(await status('fe80::1%eth0')).to.equal(200);
  });

  it('hangs up on who does not read, and not on who waits for work that takes its time', async () => {
    const model = new FakeModel();
    const app = await open(model, { timeouts: { idleMs: 50 } });
    const { url, port } = await listen(app);
    const body = JSON.stringify({ ...asked, format: 'npy' });
    const type = { 'content-type': 'application/json' };
    const waiting = fetch(`${url}/v1/visual-tokens`, { method: 'POST', headers: type, body });
    await until(() => model.waiting > 0);
    await sleep(300);
    model.release();
    const answer = await waiting;
    expect([answer.status, (await answer.arrayBuffer()).byteLength > 0]).to.deep.equal([200, true]);
    // More than two sockets hold.
    model.encodeBatch = () => Promise.resolve([{ data: new Float32Array(1e7), shape: [1, 1e7], key: '' }] as never);
    const socket = connect(port, '127.0.0.1').pause();
    const head = `POST /v1/visual-tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
    const other = JSON.stringify({ ...asked, question: null, format: 'npy' });
    socket.on('error', () => undefined).write(`${head}Content-Length: ${other.length}\r\n\r\n${other}`);
    const [accepted] = (await once(app.server, 'connection')) as [Socket];
    await once(accepted, 'close');
    socket.destroy();
  });

  it('fetches so many pictures at a time, and gives each place back', async () => {
    const fetches = new FairSlots(1);
    const { signal } = new AbortController();
    const release = await fetches.acquire('another', signal);
    const options = checkServerOptions({ remoteImages: true });
    const refused = { status: 400, code: 'remote_image_refused' };
    const read = (url: string) =>
      readImage(url, 'image', { options, fetches }, { caller: 'a', signal }).catch((error: unknown) => error);
    const fetched = [1, 2].map(() => read('https://127.0.0.1/'));
    await new Promise(setImmediate);
    expect([fetches.queued, fetches.taken]).to.deep.equal([2, 1]);
    // What the request brings itself needs none.
    expect(await read(dataUrl('digits'))).to.deep.equal(sample('digits'));
    release();
    for (const error of await Promise.all(fetched)) expect(error).to.include(refused);
    expect([fetches.queued, fetches.taken]).to.deep.equal([0, 0]);
  });

  it('takes questions of as many characters as it says, and counts them', () => {
    expect(checkQuestion('x'.repeat(10), 10, 'question')).to.have.length(10);
    expect(() => checkQuestion('x'.repeat(11), 10, 'question')).to.throw(/^Expected at most 10 characters/);
  });
});
