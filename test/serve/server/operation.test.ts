import { expect } from 'chai';
import type { APIError } from 'openai';
import OpenAI from 'openai';
import { QAViT, QAViTError } from '../../../lib';
import { createServer } from '../../../lib/serve';
import { Metrics } from '../../../lib/serve/server/metrics';
import { expectRejection } from '../../support/expect-error';
import { FakeModel } from '../batcher/fake-model';
import { asked, chat, listen, QUESTION, serversForTests, until } from './open-servers';
import { post } from './requests';

describe('operating the server', () => {
  const open = serversForTests();

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
    const exposed = (await app.inject({ url: '/healthz', headers })).headers['access-control-expose-headers'];
    expect(exposed).to.match(/x-request-id.*retry-after.*x-should-retry/);
    const other = await app.inject({ url: '/healthz', headers: { origin: 'https://other.example' } });
    expect(other.headers['access-control-allow-origin']).to.not.equal('https://other.example');
  });

  it('keeps connections for longer than load balancers do', async () => {
    const app = await open(new FakeModel(false));
    const reply = await fetch(`${await app.listen({ port: 0, host: '127.0.0.1' })}/healthz`);
    expect(reply.headers.get('keep-alive')).to.equal('timeout=75');
    await reply.text();
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

  it('numbers every answer as its lines in the log', async () => {
    const lines: string[] = [];
    const model = new FakeModel(false);
    const app = await open(model, { apiKeys: ['a'], logger: { stream: { write: (line) => void lines.push(line) } } });
    const baseURL = `${await app.listen({ port: 0, host: '127.0.0.1' })}/v1`;
    const client = new OpenAI({ baseURL, apiKey: 'a', maxRetries: 0 });
    model.failWith = () => new QAViTError('ERR_DEVICE', 'gone');
    const asking = client.chat.completions.create(chat as OpenAI.ChatCompletionCreateParamsNonStreaming);
    const { requestID } = (await asking.catch((error: unknown) => error)) as APIError;
    const failed = lines.map((line) => JSON.parse(line) as { reqId?: string; msg: string });
    expect(failed.find(({ msg }) => msg === 'request failed')!.reqId).to.equal(requestID);
    model.failWith = () => undefined;
    const headers = { authorization: 'Bearer a' };
    const ids = [requestID];
    for (const asked of [
      { url: '/v1/models', headers },
      { url: '/v1/models' },
      { url: '/nowhere' },
      { url: '/v1/models/%zz', headers },
      { method: 'POST', url: '/v1/chat/completions', headers, payload: { ...chat, stream: true } },
    ] as const) {
      const id = String((await app.inject(asked)).headers['x-request-id']);
      expect(lines.join(''), asked.url).to.include(`"reqId":"${id}"`);
      ids.push(id);
    }
    expect(new Set(ids)).to.have.property('size', ids.length);
    expect(requestID).to.match(/^[0-9a-f-]{36}$/);
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
    Object.assign(model.info, { language: null, readsQuestions: false });
    const app = await open(model);
    const told = async (route: string, body: object) => {
      const { statusCode, headers } = await post(app, route, body);
      return [statusCode, headers['x-should-retry']];
    };
    expect(await told('/v1/chat/completions', chat)).to.deep.equal([501, 'false']);
    expect(await told('/v1/attend', asked)).to.deep.equal([501, 'false']);
    expect(await told('/v1/visual-tokens', asked)).to.deep.equal([501, 'false']);
    expect(await told('/v1/visual-tokens', { ...asked, question: null })).to.deep.equal([200, undefined]);
    expect(await told('/v1/visual-tokens', {})).to.deep.equal([400, undefined]);
  });

  it('blames nobody who asks for a model that its owner has closed', async () => {
    const model = await QAViT.load('demo', { device: 'cpu' });
    const app = await createServer({ demo: model });
    await model.close();
    const { statusCode, body } = await post(app, '/v1/visual-tokens', asked);
    expect([statusCode, body.error.type, body.error.code]).to.deep.equal([503, 'server_error', 'model_closed']);
    await app.close();
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
      'qavit_answers{model="demo",state="waiting"} 0',
      'qavit_answers{model="demo",state="running"} 0',
      'qavit_cache_bytes{model="demo",cache="image"} 100',
      'qavit_device_memory_bytes{model="demo",kind="weights"} 1',
    ]) {
      expect(body).to.include(line);
    }
    expect(body).to.match(/process_resident_memory_bytes \d+/);
  });

  it('counts and logs those who hang up before they have their answer', async () => {
    const model = new FakeModel();
    const lines: string[] = [];
    const app = await open(model, { logger: { stream: { write: (line) => void lines.push(line) } } });
    const { url } = await listen(app);
    const controller = new AbortController();
    const leaving = fetch(`${url}/v1/visual-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked),
      signal: controller.signal,
    }).catch(() => undefined);
    await until(() => model.waiting > 0);
    controller.abort();
    await leaving;
    const line = 'qavit_http_requests_total{route="/v1/visual-tokens",status="499"} 1';
    await until(async () => (await app.inject('/metrics')).body.includes(line));
    const logged = lines.map((text) => JSON.parse(text) as { msg: string; res?: object });
    expect(logged.filter(({ msg }) => msg === 'client hung up').map(({ res }) => res)).to.deep.equal([
      { statusCode: 499 },
    ]);
    expect(logged.filter(({ msg }) => msg === 'request failed')).to.deep.equal([]);
  });

  it('logs from level info on when told no more than to log', async () => {
    const app = await open(new FakeModel(false), { logger: true });
    expect(app.log.level).to.equal('info');
    const silent = await open(new FakeModel(false), { logger: false });
    expect(silent.log.level).to.not.equal('info');
  });

  it('refuses wrong options', async () => {
    await expectRejection(createServer({}), 'ERR_ARGUMENT', /at least one model/);
    for (const name of ['', 'two\nlines', 'x'.repeat(257)])
      await expectRejection(createServer({ [name]: new FakeModel() }), 'ERR_ARGUMENT', /a name of 1 to 256 characters/);
    const refused = (options: object, message: RegExp) =>
      expectRejection(createServer({ demo: new FakeModel() }, options), 'ERR_ARGUMENT', message);
    await refused({ apiKey: ['x'] }, /did you mean apiKeys/);
    await refused({ apiKeys: ['with space'] }, /visible ASCII characters for apiKeys\[0\] but received "string"/);
    await refused({ corsOrigins: ['*'] }, /an array of origins such as https:\/\/example\.org for option corsOrigins/);
    await refused({ limits: { pixel: 3 } }, /did you mean pixels/);
    await refused({ timeouts: { drainMs: 0 } }, /drainMs/);
    await refused({ rateLimit: {} }, /max/);
    await refused({ logger: 'info' }, /true or false or an object for option logger/);
    await refused({ logger: { levle: 'info' } }, /did you mean level/);
    await refused({ logger: { level: 'loud' } }, /one of trace, .*, silent for option level/);
    await refused({ logger: { stream: 'stdout' } }, /write\(\)/);
    await refused({ batching: { maxBatch: 0 } }, /maxBatch/);
  });

  it('counts stages in seconds', async () => {
    const metrics = new Metrics();
    metrics.observerOf('m').stage?.('look', 250);
    expect(await metrics.text()).to.include('qavit_stage_seconds_sum{model="m",stage="look"} 0.25\n');
  });
});
