import { expect } from 'chai';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import ts from 'typescript';
import { QAViT } from '../../lib';
import { createServer } from '../../lib/serve';
import { root } from '../support/paths';
import { temporaryFolder } from '../support/temporary';
import { runExample, startServer } from './run-example';

const SHAPES = readFileSync(path.join(root, 'models', 'demo', 'samples', 'shapes.png'));
const QUESTION = 'what digit is on the red square?';

/** What a server says to a body of that length, or of one that is not said, before any of it is sent. */
async function statusOfAnnounced(url: string, length?: number): Promise<number | undefined> {
  const headers = { 'content-type': 'image/png', ...(length !== undefined && { 'content-length': length }) };
  const sent = request(url, { method: 'POST', headers });
  sent.flushHeaders();
  const [{ statusCode }] = (await once(sent, 'response')) as [IncomingMessage];
  // The server may close the connection first.
  sent.on('error', () => undefined).destroy();
  return statusCode;
}

describe('examples: servers', function () {
  this.timeout(60_000);
  const at = temporaryFolder();
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
        expect(await statusOfAnnounced(`${url}/ask?question=what`, 9 * 2 ** 20)).to.equal(413);
        expect((await fetch(`${url}/other`)).status).to.equal(404);
      } finally {
        const { code, stderr } = await stop();
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      }
    });
  }

  it('http.mjs says that it needs a length', async () => {
    const { url, stop } = await startServer('http.mjs');
    try {
      expect(await statusOfAnnounced(`${url}/ask?question=what`)).to.equal(411);
    } finally {
      await stop();
    }
  });

  it('the program of docs/serving.md serves until it is told to end', async () => {
    const text = readFileSync(path.join(root, 'docs', 'serving.md'), 'utf8');
    const [, block = ''] = /## In a program of your own\n\n```ts\n(.*?)```/s.exec(text) ?? [];
    const source = block
      .replaceAll('my-model', 'demo')
      .replace('[key]', "['a-key']")
      .replace("{ level: 'info' }", 'false')
      .replace('port: 8000', 'port: 0');
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
    const { outputText } = ts.transpileModule(source, { compilerOptions });
    mkdirSync(at('node_modules'));
    symlinkSync(root, at('node_modules', 'qavit'), 'junction');
    writeFileSync(at('program.mjs'), `${outputText}\nconsole.log('listening on', app.listeningOrigin);\n`);
    const { url, stop } = await startServer(at('program.mjs'));
    try {
      // As a client comes: when the program has nothing more to do.
      await sleep(100);
      const headers = { 'content-type': 'application/json', authorization: 'Bearer a-key' };
      const body = JSON.stringify({
        model: 'demo',
        image: `data:image/png;base64,${SHAPES.toString('base64')}`,
        question: QUESTION,
      });
      const reply = await fetch(`${url}/v1/visual-tokens`, { method: 'POST', headers, body });
      expect(reply.status, await reply.text()).to.equal(200);
    } finally {
      expect(await stop()).to.include({ code: 0, stderr: '' });
    }
  });

  it('openai-client.mjs streams an answer from our server, and shows the key that it is told', async () => {
    await using model = await QAViT.load('demo');
    const app = await createServer({ demo: model }, { apiKeys: ['a-key'] });
    try {
      const url = await app.listen({ port: 0, host: '127.0.0.1' });
      const args = [path.join(root, 'models', 'demo', 'samples', 'shapes.png'), QUESTION];
      const run = (key: string) =>
        runExample('openai-client.mjs', args, { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: key });
      expect(await run('a-key')).to.include({ code: 0, stderr: '', stdout: `${wanted}\n` });
      const { code, stderr } = await run('another');
      expect(code).to.equal(1);
      expect(stderr).to.match(/401 Expected a valid API key/);
    } finally {
      await app.close();
    }
  });
});
