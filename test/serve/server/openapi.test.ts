import { expect } from 'chai';
import Fastify from 'fastify';
import { QAViT, QAViTError } from '../../../lib';
import { FakeModel } from '../batcher/fake-model';
import { asked, chat, serversForTests } from './open-servers';
import { post } from './requests';

describe('the OpenAPI document', () => {
  const open = serversForTests();

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
      expect(await fits(reply.json(), operation.responses['200']!), `${url}: ${reply.body.slice(0, 300)}`).to.equal('');
      if (payload) expect(await fits(payload, operation.requestBody!), url).to.equal('');
      const failed = payload && (await post(app, url, { ...payload, model: 'none' }));
      if (failed) expect(await fits(failed.body, operation.responses['404']!)).to.equal('');
    }
  });

  it('describes what a stream says, to its end or to its failure', async () => {
    const model = new FakeModel(false);
    const app = await open(model);
    const document = (await app.inject('/openapi.json')).json<Document>();
    const schema = document.paths['/v1/chat/completions']!.post!.responses['200']!.content['text/event-stream']!;
    const eventsOf = async (options: object) => {
      const payload = { ...chat, stream: true, ...options };
      const { body } = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload });
      return body.trim().split('\n\n');
    };
    const [plain, withUsage] = [await eventsOf({}), await eventsOf({ stream_options: { include_usage: true } })];
    model.stages.answer = async function* () {
      yield await Promise.resolve('half');
      throw new QAViTError('ERR_DEVICE', 'gone');
    };
    const failed = await eventsOf({});
    expect([plain, withUsage].map((events) => events.at(-1))).to.deep.equal(['data: [DONE]', 'data: [DONE]']);
    expect(failed.at(-1)).to.include('"error"');
    for (const event of [...plain, ...withUsage, ...failed]) {
      const [, data = ''] = /^data: (.*)$/.exec(event) ?? [];
      // In an array, because a body of JSON is no string.
      const value = [data === '[DONE]' ? data : (JSON.parse(data) as object)];
      expect(await fitsSchema(value, { type: 'array', items: schema.schema }), event).to.equal('');
    }
    expect(
      await fitsSchema([{ object: 'chat.completion.chunk' }], { type: 'array', items: schema.schema }),
    ).to.not.equal('');
  });

  it('names every operation, and what metrics are', async () => {
    const app = await open(new FakeModel(false));
    const { paths } = (await app.inject('/openapi.json')).json<Document>();
    const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
    expect(ids).to.not.include(undefined);
    expect(new Set(ids).size).to.equal(ids.length);
    expect(paths['/metrics']!.get!.responses['200']!.content).to.have.property('text/plain');
    const files = paths['/v1/visual-tokens']!.post!.responses['200']!.content;
    expect(files).to.have.keys('application/json', 'application/octet-stream');
  });
});

interface Content {
  content: Record<string, { schema: object }>;
}
interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<string, { operationId?: string; requestBody?: Content; responses: Record<string, Content> }>
  >;
}

/** What is wrong with a value by a schema of the document; the framework's own validator says it. */
function fits(value: unknown, { content }: Content): Promise<string> {
  return fitsSchema(value, content['application/json']!.schema);
}

async function fitsSchema(value: unknown, schema: object): Promise<string> {
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false, coerceTypes: false, strict: false } } });
  app.post('/', { schema: { body: schema } }, () => 'fits');
  const reply = await app.inject({ method: 'POST', url: '/', payload: value as object });
  await app.close();
  return reply.statusCode === 200 ? '' : reply.body;
}
