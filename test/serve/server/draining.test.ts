import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { Lifecycle } from '../../../lib/serve/server/lifecycle';
import { FakeClock } from '../batcher/fake-clock';
import { FakeModel } from '../batcher/fake-model';
import { asked, listen, serversForTests, until } from './open-servers';
import { post } from './requests';

describe('a server that drains', () => {
  const open = serversForTests();

  it('takes no new requests, and lets running ones come to their end', async () => {
    const model = new FakeModel();
    const app = await open(model);
    const { url } = await listen(app);
    const running = post(app, '/v1/visual-tokens', asked);
    await until(() => model.waiting > 0);
    const draining = app.drain();
    expect((await fetch(`${url}/readyz`)).status).to.equal(503);
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
    const late = await post(app, '/v1/visual-tokens', { ...asked, question: null });
    expect([late.statusCode, late.body.error.code, late.headers['retry-after']]).to.deep.equal([503, 'draining', '1']);
    model.release();
    expect((await running).statusCode).to.equal(200);
    await draining;
    expect(app.server.listening).to.equal(false);
  });

  it('stops what is not done by the deadline', async () => {
    const model = new FakeModel();
    const app = await open(model, { timeouts: { drainMs: 50 } });
    const running = post(app, '/v1/visual-tokens', asked);
    await until(() => model.waiting > 0);
    await app.drain();
    expect((await running).statusCode).to.equal(503);
    expect(model.signals[0]!.aborted).to.equal(true);
  });

  it('says so to what is not done by the deadline, and needs none where all is done', async () => {
    const clock = new FakeClock();
    const [late, idle] = [new Lifecycle(clock), new Lifecycle(clock)];
    const running = late.begin();
    const draining = late.drain(50);
    await clock.advance(49);
    expect(running.signal.aborted).to.equal(false);
    await clock.advance(1);
    await draining;
    expect(running.signal.reason).to.include({ status: 503, code: 'draining' });
    const ended = idle.begin();
    const drained = idle.drain(50);
    ended.end();
    await drained;
    expect([clock.waiting, idle.requests]).to.deep.equal([0, 0]);
  });

  it('waits for no request that waits behind another on a connection that has broken', async () => {
    const model = new FakeModel();
    // Far beyond this test's time.
    const app = await open(model, { timeouts: { drainMs: 600_000 } });
    const pending = async (count: number): Promise<boolean> =>
      new RegExp(`^qavit_pending_requests\\{.*\\} ${count}$`, 'm').test((await app.inject('/metrics')).body);
    const { port } = await listen(app);
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    for (const [path, body] of [
      ['/v1/visual-tokens', asked],
      ['/v1/visual-tokens', { ...asked, question: 'another' }],
      ['/v1/attend', { ...asked, question: 'a third' }],
    ] as const) {
      const text = JSON.stringify(body);
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`;
      socket.write(head + text);
    }
    await until(() => pending(3));
    socket.destroy();
    await until(() => pending(0));
    await app.drain();
  });

  it('told so twice, waits for both', async () => {
    const model = new FakeModel();
    const app = await open(model);
    const running = post(app, '/v1/visual-tokens', asked);
    await until(() => model.waiting > 0);
    const draining = Promise.all([app.drain(), app.drain()]);
    model.release();
    expect((await running).statusCode).to.equal(200);
    await draining;
  });

  it('waits for nobody who sends half a request or does not read', async () => {
    const app = await open(new FakeModel(false));
    const { port } = await listen(app);
    const text = JSON.stringify({ ...asked, format: 'npy' });
    const head = `POST /v1/visual-tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`;
    const sockets = [text.slice(0, 50), text].map((sent) => {
      const socket = connect(port, '127.0.0.1').pause();
      socket.on('error', () => undefined).write(head + sent);
      return socket;
    });
    for (const socket of sockets) await once(socket, 'connect');
    await until(async () => /visual-tokens",status="200"\} 1/.test((await app.inject('/metrics')).body));
    const start = performance.now();
    await app.drain();
    expect(performance.now() - start).to.be.lessThan(10_000);
    for (const socket of sockets) socket.destroy();
  });
});
