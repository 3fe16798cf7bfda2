import { expect } from 'chai';
import Fastify from 'fastify';
import { QAViT } from '../../../lib';
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
