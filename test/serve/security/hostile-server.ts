import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { FastifyInstance } from 'fastify';
import { QAViT } from '../../../lib';
import { createServer } from '../../../lib/serve';
import { asked, QUESTION } from '../server/open-servers';
import { post, sample } from '../server/requests';

/** A server of small limits, for all tests of a suite; after each of them it must still answer rightly. */
export function serverUnderAttack() {
  const here = {} as { model: QAViT; app: FastifyInstance; port: number };

  before(async () => {
    here.model = await QAViT.load('demo', { device: 'cpu' });
    here.app = await createServer(
      { demo: here.model },
      {
        limits: { bodyBytes: 200_000, imageBytes: 100_000, pixels: 1_000_000, questionCharacters: 100, newTokens: 8 },
        timeouts: { headersMs: 300, requestMs: 600, idleMs: 2000 },
      },
    );
    await here.app.listen({ port: 0, host: '127.0.0.1' });
    here.port = (here.app.server.address() as AddressInfo).port;
  });
  after(async () => {
    await here.app.close();
    await here.model.close();
  });

  afterEach('the server still answers rightly', async () => {
    const { statusCode, body } = await post(here.app, '/v1/visual-tokens', asked);
    expect(statusCode).to.equal(200);
    expect(body.key).to.equal((await here.model.encode(sample('digits'), QUESTION)).key);
  });

  async function refused(
    body: object | string,
    status: number,
    code: string,
    url = '/v1/visual-tokens',
  ): Promise<void> {
    const reply = await post(here.app, url, body);
    expect([reply.statusCode, reply.body.error.code], JSON.stringify(body).slice(0, 80)).to.deep.equal([status, code]);
    expect(reply.body.error).to.have.keys('message', 'type', 'param', 'code');
  }

  return { here, refused };
}
