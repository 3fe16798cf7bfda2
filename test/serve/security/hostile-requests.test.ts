import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { FastifyInstance } from 'fastify';
import { QAViT } from '../../../lib';
import { createServer } from '../../../lib/serve';
import { dataUrl, post, sample } from '../server/requests';

const QUESTION = 'what digit is on the red square?';
const asked = { model: 'demo', image: dataUrl('digits'), question: QUESTION };

/** A PNG of `side` x `side` white pixels: a few KB that want to become gigabytes. */
function bomb(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([1, 0, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc(Math.ceil(side / 8 + 1) * side), { level: 9 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

function crc(bytes: Buffer): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
}

describe('hostile requests', () => {
  let model: QAViT;
  let app: FastifyInstance;
  let port: number;

  before(async () => {
    model = await QAViT.load('demo', { device: 'cpu' });
    app = await createServer(
      { demo: model },
      {
        limits: { bodyBytes: 200_000, imageBytes: 100_000, pixels: 1_000_000, questionCharacters: 100, newTokens: 8 },
        timeouts: { headersMs: 300, requestMs: 600, idleMs: 2000 },
      },
    );
    await app.listen({ port: 0, host: '127.0.0.1' });
    port = (app.server.address() as AddressInfo).port;
  });
  after(async () => {
    await app.close();
    await model.close();
  });

  afterEach('the server still answers rightly', async () => {
    const { statusCode, body } = await post(app, '/v1/visual-tokens', asked);
    expect(statusCode).to.equal(200);
    expect(body.key).to.equal((await model.encode(sample('digits'), QUESTION)).key);
  });

  async function refused(
    body: object | string,
    status: number,
    code: string,
    url = '/v1/visual-tokens',
  ): Promise<void> {
    const reply = await post(app, url, body);
    expect([reply.statusCode, reply.body.error.code], JSON.stringify(body).slice(0, 80)).to.deep.equal([status, code]);
    expect(reply.body.error).to.have.keys('message', 'type', 'param', 'code');
  }

  it('with bodies that are too large are refused before they are read', async () => {
    await refused({ ...asked, image: 'x'.repeat(300_000) }, 413, 'ctp_body_too_large');
    const image = `data:image/png;base64,${'A'.repeat(140_000)}`;
    await refused({ ...asked, image }, 413, 'image_too_large');
  });

  it('with compressed bodies are refused', async () => {
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/visual-tokens',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      payload: gzipSync(JSON.stringify(asked)),
    });
    expect(reply.statusCode).to.equal(415);
  });

  it('with decompression bombs are refused from the picture’s head', async () => {
    const file = bomb(20_000);
    expect(file.length).to.be.lessThan(100_000);
    const before = process.memoryUsage().rss;
    const reply = await post(app, '/v1/visual-tokens', {
      ...asked,
      image: `data:image/png;base64,${file.toString('base64')}`,
    });
    expect(reply.statusCode).to.equal(400);
    expect(reply.body.error.message).to.match(/at most 1000000 pixels .* 20000 x 20000/);
    expect(process.memoryUsage().rss - before).to.be.lessThan(64 * 2 ** 20);
  });

  it('that name files and other places are refused', async () => {
    for (const image of [
      '/etc/passwd',
      '../../etc/passwd',
      'file:///etc/passwd',
      'http://169.254.169.254/',
      'data:text/plain;base64,AAAA',
      'data:image/svg+xml,<svg/>',
      'data:image/png;base64,',
      'data:image/png;base64,!!!!',
      'data:image/png;base64,AAA',
      '',
    ]) {
      const { statusCode, body } = await post(app, '/v1/visual-tokens', { ...asked, image });
      expect([statusCode, body.error.param], image).to.deep.equal([400, 'image']);
    }
    await refused({ ...asked, image: 'https://example.org/a.png' }, 400, 'remote_images_disabled');
    await refused({ ...asked, model: '../../etc' }, 404, 'model_not_found');
    await refused({ ...asked, model: '__proto__' }, 404, 'model_not_found');
    for (const url of [
      '/page/../../package.json',
      '/page/..%2f..%2fpackage.json',
      '/v1/models/..%2f..%2fpackage.json',
      '//etc/passwd',
    ]) {
      expect((await app.inject(url)).statusCode, url).to.equal(404);
    }
  });

  it('with documents and damaged pictures are refused', async () => {
    const url = (bytes: Buffer | string) => `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`;
    await refused({ ...asked, image: url('<svg xmlns="http://www.w3.org/2000/svg"/>') }, 400, 'ERR_UNSUPPORTED');
    await refused({ ...asked, image: url('%PDF-1.7') }, 400, 'ERR_UNSUPPORTED');
    await refused({ ...asked, image: url('no picture') }, 400, 'ERR_FORMAT');
    await refused({ ...asked, image: url(sample('digits').subarray(0, 2000)) }, 400, 'ERR_FORMAT');
  });

  it('that reach for prototypes change nothing', async () => {
    const text = JSON.stringify(asked);
    for (const poison of [
      '"__proto__":{"polluted":1}',
      '"constructor":{"prototype":{"polluted":1}}',
      '"qavit":{"__proto__":{"polluted":1}}',
    ]) {
      const { statusCode } = await post(app, '/v1/visual-tokens', `${text.slice(0, -1)},${poison}}`);
      expect(statusCode, poison).to.equal(400);
    }
    expect(({} as { polluted?: number }).polluted).to.equal(undefined);
  });

  it('with bodies of a wrong form are refused with the field that is wrong', async () => {
    const chat = '/v1/chat/completions';
    const content = [
      { type: 'text', text: QUESTION },
      { type: 'image_url', image_url: { url: dataUrl('digits') } },
    ];
    const good = { model: 'demo', messages: [{ role: 'user', content }] };
    const wrong: [object | string, string | null][] = [
      ['', null],
      ['{', null],
      ['[]', null],
      ['null', null],
      [{ ...good, messages: [] }, 'messages'],
      [{ ...good, messages: 'x' }, 'messages'],
      [{ ...good, messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
      [{ ...good, messages: [{ role: 'system', content: 'x' }, ...good.messages] }, 'messages[0].role'],
      [{ ...good, messages: [{ role: 'user', content: content.slice(0, 1) }] }, 'messages'],
      [{ ...good, messages: [{ role: 'user', content: content.slice(1) }] }, 'messages'],
      [{ ...good, messages: [{ role: 'user', content: [...content, ...content] }] }, 'messages[0].content[2].text'],
      [{ ...good, n: 2 }, 'n'],
      [{ ...good, temperature: '0' }, 'temperature'],
      [{ ...good, temperature: -1 }, 'temperature'],
      [{ ...good, top_p: 0 }, 'top_p'],
      [{ ...good, max_tokens: 9 }, 'max_tokens'],
      [{ ...good, max_tokens: 1.5 }, 'max_tokens'],
      [{ ...good, max_tokens: 1, max_completion_tokens: 2 }, 'max_tokens'],
      [{ ...good, stream_options: { include_usage: true } }, 'stream_options'],
      [{ ...good, tools: [{}] }, 'tools'],
      [{ ...good, logprobs: true }, 'logprobs'],
      [{ ...good, unheard_of: 1 }, null],
      [{ ...good, qavit: { questionAware: true } }, 'qavit'],
      [{ ...good, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
    ];
    for (const [body, param] of wrong) {
      const reply = await post(app, chat, body);
      expect([reply.statusCode, reply.body.error.param], JSON.stringify(body)).to.deep.equal([400, param]);
    }
    await refused({ ...asked, question: 'x'.repeat(101) }, 400, 'question_too_long');
    await refused({ ...asked, question: '  ' }, 400, 'question_empty');
    await refused({ ...asked, question: '!!!' }, 400, 'ERR_ARGUMENT');
    expect(
      (await app.inject({ method: 'POST', url: chat, payload: 'x', headers: { 'content-type': 'text/plain' } }))
        .statusCode,
    ).to.equal(415);
  });

  /** Writes what a client sends and waits until the server hangs up. */
  async function dialogue(
    write: (socket: ReturnType<typeof connect>) => Promise<void>,
  ): Promise<{ text: string; ms: number }> {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    const start = performance.now();
    const closed = once(socket, 'close');
    await write(socket);
    await closed;
    return { text: Buffer.concat(chunks).toString(), ms: performance.now() - start };
  }

  it('that come slowly are hung up on, in the head and in the body', async () => {
    const trickle = (text: string) => async (socket: ReturnType<typeof connect>) => {
      for (const letter of text) {
        if (socket.destroyed || !socket.writable) return;
        socket.write(letter);
        await sleep(20);
      }
    };
    const head = await dialogue(trickle(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ${'x'.repeat(500)}`));
    expect(head.text).to.match(/^HTTP\/1.1 408/);
    const body = await dialogue(async (socket) => {
      socket.write(
        'POST /v1/attend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
      );
      await trickle('{'.padEnd(500))(socket);
    });
    expect(body.text).to.match(/^HTTP\/1.1 408|^$/);
    expect(app.server.connections ?? 0).to.be.lessThan(10);
  });

  it('that end in the middle leave nothing behind', async () => {
    for (let i = 0; i < 50; i += 1) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(
        'POST /v1/attend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"model":',
      );
      if (i % 2) socket.resetAndDestroy();
      else socket.end();
    }
    await sleep(50);
    const metrics = (await app.inject('/metrics')).body;
    expect(metrics).to.match(/qavit_pending_requests\{model="demo"\} 0/);
  });

  it('that are no HTTP are answered with 400', async () => {
    const { text } = await dialogue((socket) => {
      socket.write('\x16\x03\x01\x02\x00\x01\x00\r\n\r\n');
      return Promise.resolve();
    });
    expect(text).to.match(/^HTTP\/1.1 400/);
  });
});
