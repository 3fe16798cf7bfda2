import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { expect } from 'chai';
import Fastify, { type FastifyInstance } from 'fastify';
import { QAViT, QAViTError } from '../../../lib';
import { createServer, type ServerOptions } from '../../../lib/serve';
import { expectRejection } from '../../support/expect-error';
import { FakeModel } from '../batcher/fake-model';
import { dataUrl, post } from './requests';

const QUESTION = 'what digit is on the red square?';
const asked = { model: 'demo', image: dataUrl('digits'), question: QUESTION };
const chat = {
  model: 'demo',
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: QUESTION },
        { type: 'image_url', image_url: { url: dataUrl('digits') } },
      ],
    },
  ],
};

describe('operating the server', () => {
  const apps: FastifyInstance[] = [];
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });

  async function open(model: FakeModel | QAViT, options?: ServerOptions): Promise<FastifyInstance> {
    const app = await createServer({ demo: model }, options);
    apps.push(app);
    return app;
  }

  it('refuses what is beyond the queue with 429 and Retry-After', async () => {
    const model = new FakeModel();
    const app = await open(model, { batching: { maxPending: 1 } });
    const first = post(app, '/v1/visual-tokens', asked);
    while (model.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
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

  it('answers no other origin unless it is named', async () => {
    const headers = { origin: 'https://page.example' };
    const closed = await open(new FakeModel(false));
    expect((await closed.inject({ url: '/v1/models', headers })).headers).to.not.have.property(
      'access-control-allow-origin',
    );
    const app = await open(new FakeModel(false), { corsOrigins: ['https://page.example'], apiKeys: ['a'] });
    const preflight = { ...headers, 'access-control-request-method': 'POST' };
    const reply = await app.inject({ method: 'OPTIONS', url: '/v1/attend', headers: preflight });
    expect([reply.statusCode, reply.headers['access-control-allow-origin']]).to.deep.equal([
      204,
      'https://page.example',
    ]);
    const other = await app.inject({ url: '/healthz', headers: { origin: 'https://other.example' } });
    expect(other.headers['access-control-allow-origin']).to.not.equal('https://other.example');
  });

  it('logs neither keys nor questions nor pictures', async () => {
    const lines: string[] = [];
    const model = new FakeModel(false);
    model.failWith = () => new QAViTError('ERR_DEVICE', 'gone');
    const logger = { level: 'trace', stream: { write: (line: string) => void lines.push(line) } } as const;
    const app = await open(model, { apiKeys: ['sesame-open'], logger });
    const headers = { authorization: 'Bearer sesame-open', 'x-question': QUESTION };
    await post(app, `/v1/visual-tokens?question=${encodeURIComponent(QUESTION)}`, asked, headers);
    await post(app, '/v1/chat/completions', { ...chat, n: 3 }, headers);
    await post(app, '/v1/attend', asked, { authorization: 'Bearer wrong-key' });
    const log = lines.join('');
    expect(log).to.include('"route":"/v1/visual-tokens"').and.include('"statusCode":500').and.include('gone');
    for (const secret of ['sesame', 'wrong-key', 'digit', 'base64', asked.image.slice(30, 60)]) {
      expect(log, secret).to.not.include(secret);
    }
  });

  it('tells clients what kind of failure it was, and no more', async () => {
    const model = new FakeModel(false);
    const app = await open(model);
    const told = async (error: Error) => {
      model.failWith = () => error;
      const { statusCode, headers, body } = await post(app, '/v1/visual-tokens', asked);
      expect(body.error.message).to.not.include('secret');
      return [statusCode, body.error.code, headers['retry-after']];
    };
    expect(await told(new QAViTError('ERR_DEVICE', 'secret'))).to.deep.equal([500, 'ERR_DEVICE', undefined]);
    expect(await told(new QAViTError('ERR_OUT_OF_MEMORY', 'secret'))).to.deep.equal([503, 'ERR_OUT_OF_MEMORY', '1']);
    expect(await told(new Error('secret'))).to.deep.equal([500, 'internal_error', undefined]);
    expect(await told(new QAViTError('ERR_UNSUPPORTED', 'no /var/secret/file'))).to.deep.equal([
      400,
      'ERR_UNSUPPORTED',
      undefined,
    ]);
    expect(await told(new QAViTError('ERR_SHAPE', 'x'))).to.deep.equal([400, 'ERR_SHAPE', undefined]);
  });

  it('says what a model cannot do', async () => {
    const model = new FakeModel(false);
    Object.assign(model.info, { language: null });
    const app = await open(model);
    expect((await post(app, '/v1/chat/completions', chat)).statusCode).to.equal(501);
    expect((await post(app, '/v1/attend', asked)).statusCode).to.equal(501);
    expect((await post(app, '/v1/visual-tokens', asked)).statusCode).to.equal(501);
    expect((await post(app, '/v1/visual-tokens', { ...asked, question: null })).statusCode).to.equal(200);
  });

  it('drains: no new requests, running ones to their end', async () => {
    const model = new FakeModel();
    const app = await open(model);
    await app.listen({ port: 0, host: '127.0.0.1' });
    const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    const running = post(app, '/v1/visual-tokens', asked);
    while (model.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
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

  it('drains: stops what is not done by the deadline', async () => {
    const model = new FakeModel();
    const app = await open(model, { timeouts: { drainMs: 50 } });
    const running = post(app, '/v1/visual-tokens', asked);
    while (model.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    await app.drain();
    expect((await running).statusCode).to.equal(503);
    expect(model.signals[0]!.aborted).to.equal(true);
  });

  it('sends a failure half-way through a stream as an event, without [DONE]', async () => {
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

  it('lets go of a reader that leaves in the middle of a long answer', async () => {
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
    await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address() as AddressInfo;
    const body = JSON.stringify({ ...chat, stream: true });
    const sockets = [1, 2, 3, 4].map(() => connect(port, '127.0.0.1').pause());
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`);
      socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
    }
    // The answers are written though nobody reads them: they hold no place of the language model.
    while (ended < 4) await new Promise((resolve) => setImmediate(resolve));
    const pending = async () =>
      /qavit_pending_requests\{model="demo"\} (\d+)/.exec((await app.inject('/metrics')).body)?.[1];
    expect(await pending()).to.equal('4');
    for (const socket of sockets) socket.resetAndDestroy();
    while ((await pending()) !== '0') await new Promise((resolve) => setImmediate(resolve));
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

  it('stops the work of a client that hangs up before its answer began', async () => {
    const model = new FakeModel();
    const app = await open(model);
    await app.listen({ port: 0, host: '127.0.0.1' });
    const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/v1/visual-tokens`;
    const controller = new AbortController();
    const request = fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked),
      signal: controller.signal,
    }).catch((error: Error) => error.name);
    while (model.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    const stopped = once(model.signals[0]!, 'abort');
    controller.abort();
    expect(await request).to.equal('AbortError');
    await stopped;
    expect((await app.inject('/metrics')).body).to.match(/qavit_pending_requests\{model="demo"\} 0/);
  });

  it('counts in Prometheus’ format', async () => {
    const app = await open(new FakeModel(false));
    for (let i = 0; i < 2; i += 1) await post(app, '/v1/visual-tokens', asked);
    await app.inject('/no/such/route');
    const { body, headers } = await app.inject('/metrics');
    expect(headers['content-type']).to.match(/^text\/plain/);
    for (const line of [
      'qavit_http_requests_total{route="/v1/visual-tokens",status="200"} 2',
      'qavit_http_requests_total{route="none",status="404"} 1',
      'qavit_cache_lookups_total{model="demo",cache="image",result="miss"} 1',
      'qavit_cache_lookups_total{model="demo",cache="image",result="hit"} 1',
      'qavit_batch_size_count{model="demo"} 2',
      'qavit_stage_seconds_count{model="demo",stage="encode"} 2',
      'qavit_queue_depth{model="demo"} 0',
      'qavit_cache_bytes{model="demo",cache="image"} 100',
      'qavit_device_memory_bytes{model="demo",kind="weights"} 1',
    ]) {
      expect(body).to.include(line);
    }
    expect(body).to.match(/process_resident_memory_bytes \d+/);
  });

  it('refuses wrong options', async () => {
    await expectRejection(createServer({}), 'ERR_ARGUMENT', /at least one model/);
    const refused = (options: object, message: RegExp) =>
      expectRejection(createServer({ demo: new FakeModel() }, options), 'ERR_ARGUMENT', message);
    await refused({ apiKey: ['x'] }, /did you mean apiKeys/);
    await refused({ apiKeys: ['with space'] }, /visible ASCII characters for apiKeys\[0\] but received "string"/);
    await refused({ limits: { pixel: 3 } }, /did you mean pixels/);
    await refused({ timeouts: { drainMs: 0 } }, /drainMs/);
    await refused({ rateLimit: {} }, /max/);
    await refused({ batching: { maxBatch: 0 } }, /maxBatch/);
  });

  describe('its OpenAPI document', () => {
    it('is what requests are checked by and what answers are like', async () => {
      await using model = await QAViT.load('demo', { device: 'cpu' });
      const app = await open(model);
      const document = (await app.inject('/openapi.json')).json<Document>();
      expect(document.openapi).to.match(/^3\.1/);
      const paths = Object.keys(document.paths).sort();
      const wanted = [
        '/healthz',
        '/metrics',
        '/readyz',
        '/v1/attend',
        '/v1/chat/completions',
        '/v1/models',
        '/v1/models/{model}',
        '/v1/visual-tokens',
      ];
      expect(paths).to.deep.equal(wanted);
      const answers: [string, string, object?][] = [
        ['/healthz', '/healthz'],
        ['/readyz', '/readyz'],
        ['/v1/models', '/v1/models'],
        ['/v1/models/{model}', '/v1/models/demo'],
        ['/v1/attend', '/v1/attend', asked],
        ['/v1/chat/completions', '/v1/chat/completions', chat],
        ['/v1/visual-tokens', '/v1/visual-tokens', asked],
      ];
      for (const [path, url, payload] of answers) {
        const operation = document.paths[path]![payload ? 'post' : 'get']!;
        const reply = await app.inject({ method: payload ? 'POST' : 'GET', url, payload });
        expect(await fits(reply.json(), operation.responses['200']!), `${url}: ${reply.body.slice(0, 300)}`).to.equal(
          '',
        );
        if (payload) expect(await fits(payload, operation.requestBody!), url).to.equal('');
        const failed = payload && (await post(app, url, { ...payload, model: 'none' }));
        if (failed) expect(await fits(failed.body, operation.responses['404']!)).to.equal('');
      }
    });
  });
});

interface Content {
  content: { 'application/json': { schema: object } };
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, { requestBody?: Content; responses: Record<string, Content> }>>;
}

/** What is wrong with a value by a schema of the document; the framework's own validator says it. */
async function fits(value: unknown, { content }: Content): Promise<string> {
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false, coerceTypes: false, strict: false } } });
  app.post('/', { schema: { body: content['application/json'].schema } }, () => 'fits');
  const reply = await app.inject({ method: 'POST', url: '/', payload: value as object });
  await app.close();
  return reply.statusCode === 200 ? '' : reply.body;
}
