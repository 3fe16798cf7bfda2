import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { QAViTError } from '../../../lib';
import { FakeModel } from '../batcher/fake-model';
import { asked, chat, listen, serversForTests, until } from './open-servers';

describe('answers that break off', () => {
  const open = serversForTests();

  it('because of a failure end with it as an event, and without [DONE]', async () => {
    const model = new FakeModel(false);
    model.stages.answer = async function* () {
      yield await Promise.resolve('half');
      throw new QAViTError('ERR_DEVICE', 'secret');
    };
    const app = await open(model);
    const { statusCode, body } = await app.inject({
      method: 'POST',
      url: '/v1/chat/completions',
      payload: { ...chat, stream: true },
    });
    expect(statusCode).to.equal(200);
    const events = body.trim().split('\n\n');
    expect(events.at(-2)).to.include('half');
    expect(JSON.parse(events.at(-1)!.slice(6))).to.have.nested.property('error.code', 'ERR_DEVICE');
    expect(body).to.not.include('[DONE]').and.not.include('secret');
  });

  it('because a reader leaves in the middle are let go of', async () => {
    const model = new FakeModel(false);
    let ended = 0;
    model.stages.answer = async function* () {
      try {
        for (let i = 0; i < 20_000; i += 1) yield await Promise.resolve('x'.repeat(1000));
        return undefined;
      } finally {
        ended += 1;
      }
    };
    const app = await open(model);
    const { port } = await listen(app);
    const body = JSON.stringify({ ...chat, stream: true });
    const sockets = [1, 2, 3, 4].map(() => connect(port, '127.0.0.1').pause());
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`);
      socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
    }
    // The answers are written though nobody reads them: they hold no place of the language model.
    await until(() => ended === 4);
    const pending = async () =>
      /qavit_pending_requests\{model="demo"\} (\d+)/.exec((await app.inject('/metrics')).body)?.[1];
    expect(await pending()).to.equal('4');
    for (const socket of sockets) socket.resetAndDestroy();
    await until(async () => (await pending()) === '0');
  });

  it('before they began, because a client hangs up, are not computed', async () => {
    const model = new FakeModel();
    const app = await open(model);
    const { url } = await listen(app);
    const controller = new AbortController();
    const request = fetch(`${url}/v1/visual-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked),
      signal: controller.signal,
    }).catch((error: Error) => error.name);
    await until(() => model.waiting > 0);
    const stopped = once(model.signals[0]!, 'abort');
    controller.abort();
    expect(await request).to.equal('AbortError');
    await stopped;
    expect((await app.inject('/metrics')).body).to.match(/qavit_pending_requests\{model="demo"\} 0/);
  });
});
