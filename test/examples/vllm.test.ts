import { expect } from 'chai';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { QAViT } from '../../lib';
import { root } from '../support/paths';
import { runExample } from './run-example';

const SHAPES = path.join(root, 'models', 'demo', 'samples', 'shapes.png');
const QUESTIONS = ['what digit is on the red square?', 'how many triangles are there?'];

interface Sent {
  messages: { content: { type: string; text?: string; image_embeds?: string }[] }[];
}

describe('examples: vllm.mjs', function () {
  this.timeout(60_000);
  it('sends one picture under each question, and prints what comes back', async () => {
    const sent: Sent[] = [];
    const server = createServer((request, response) => {
      void json(request).then((body) => {
        sent.push(body as Sent);
        const chunk = { choices: [{ delta: { content: `answer ${sent.length}` }, finish_reason: 'stop' }] };
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`);
      });
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1#a-model`;
      const { code, stdout, stderr } = await runExample('vllm.mjs', [address, 'demo', SHAPES, ...QUESTIONS]);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      expect(stdout).to.equal(QUESTIONS.map((question, i) => `${question} answer ${i + 1}\n`).join(''));
    } finally {
      server.close();
    }
    await using model = await QAViT.load('demo');
    const tokens = await Promise.all(QUESTIONS.map((question) => model.encode(SHAPES, question)));
    const { imageEmbeds } = (await import(path.join(root, 'dist', 'lib', 'vllm.js'))) as {
      imageEmbeds: (tokens: object) => object;
    };
    const parts = sent.map(({ messages }) => messages.flatMap(({ content }) => content));
    expect(parts.map((content) => content.find(({ type }) => type === 'image_embeds'))).to.deep.equal(
      tokens.map((one) => imageEmbeds(one)),
    );
    expect(parts.map((content) => content.find(({ type }) => type === 'text')?.text)).to.deep.equal(QUESTIONS);
  });
});
