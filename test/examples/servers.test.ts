import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { QAViT } from '../../lib';
import { root } from '../support/paths';
import { startServer } from './run-example';

const SHAPES = readFileSync(path.join(root, 'models', 'demo', 'samples', 'shapes.png'));
const QUESTION = 'what digit is on the red square?';

describe('examples: servers', function () {
  this.timeout(60_000);
  let wanted = '';
  before(async () => {
    await using model = await QAViT.load('demo');
    for await (const text of model.ask(SHAPES, QUESTION)) wanted += text;
  });

  for (const name of ['fastify.mjs', 'http.mjs']) {
    it(`${name} answers, refuses what is no picture, and ends when told to`, async () => {
      const { url, stop } = await startServer(name);
      try {
        const post = (question: string, body: Uint8Array<ArrayBuffer>): Promise<Response> => {
          const headers = { 'content-type': 'image/png' };
          return fetch(`${url}/ask?question=${encodeURIComponent(question)}`, { method: 'POST', headers, body });
        };
        const answer = await post(QUESTION, new Uint8Array(SHAPES));
        expect([answer.status, (await answer.text()).trim()]).to.deep.equal([200, wanted.trim()]);
        const broken = await post(QUESTION, new TextEncoder().encode('this is no picture'));
        expect(broken.status).to.equal(400);
        expect(await broken.text()).to.match(/Expected JPEG, PNG/);
        expect((await post(QUESTION, new Uint8Array(9 * 2 ** 20))).status).to.equal(413);
        expect((await fetch(`${url}/other`)).status).to.equal(404);
      } finally {
        const { code, stderr } = await stop();
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      }
    });
  }
});
