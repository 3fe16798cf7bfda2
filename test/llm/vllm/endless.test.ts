/** What never ends, or never begins, ends here: soon, and in little memory. */
import { expect } from 'chai';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import type { QAViTErrorCode } from '../../../lib';
import { readEvents } from '../../../lib/llm/vllm/events';
import { Failures } from '../../../lib/llm/vllm/failures';
import { openVllm } from '../../../lib/vllm';
import { expectRejection } from '../../support/expect-error';
import { FakeVllm, type Respond, sendEvent, startEvents, tokenEvent } from '../../support/fake-vllm';
import { failing, pieces, pour, TOKENS, vllmOfTest, WIDTH } from './support';

/** Twice the memory that a test may take, in a few KB. */
const ZEROS = gzipSync(Buffer.alloc(128 * 2 ** 20));

describe('a server', () => {
  const { server, open } = vllmOfTest();
  const fails = failing({ server, open });

  describe('that never ends', () => {
    const line = Buffer.alloc(64 * 1024, 'x');
    const endless: [string, Respond, QAViTErrorCode, RegExp, number?][] = [
      [
        'one line',
        (_, response) => (startEvents(response), response.write('data: '), pour(response, line)),
        'ERR_FORMAT',
        /events of at most 262144 characters/,
      ],
      [
        'one event of many lines',
        (_, response) => (startEvents(response), pour(response, Buffer.from('data: xxxxxxxxxxxx\n'.repeat(999)))),
        'ERR_FORMAT',
        /events of at most/,
      ],
      [
        'more tokens than were asked for',
        (received, response) => {
          startEvents(response);
          return pour(response, Buffer.from(`data: ${JSON.stringify(tokenEvent(received, 'on'))}\n\n`));
        },
        'ERR_FORMAT',
        /an answer of at most 20 tokens .* 85 events and no end/,
      ],
      [
        'comments',
        (_, response) => (startEvents(response), pour(response, Buffer.from(': ping\n\n'.repeat(999)))),
        'ERR_DEVICE',
        /nothing for 300 ms/,
        300,
      ],
      [
        'an error page',
        (_, response) => (response.writeHead(400, { 'content-type': 'text/html' }), pour(response, line)),
        'ERR_ARGUMENT',
        /status 400 Bad Request: "x+\.\.\."$/,
      ],
      [
        'an error page that drips',
        (_, response) => {
          response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '0' });
          response.write('busy');
        },
        'ERR_BUSY',
        /status 503/,
        300,
      ],
      [
        'a compressed page of zeros',
        (_, response) => {
          response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' });
          response.end(ZEROS);
        },
        'ERR_FORMAT',
        /text\/html/,
      ],
      ['silence before the answer', () => undefined, 'ERR_DEVICE', /nothing for 300 ms/, 300],
      [
        'silence inside the answer',
        (received, response) => {
          startEvents(response);
          sendEvent(response, tokenEvent(received, 'one'));
        },
        'ERR_DEVICE',
        /nothing for 300 ms/,
        300,
      ],
    ];
    for (const [what, respond, code, message, timeout] of endless)
      it(what, () => fails(respond, code, message, timeout)).timeout(30_000);

    it('behind the end of the answer, which is whole', async () => {
      server().respond = (received, response) => {
        startEvents(response);
        sendEvent(response, tokenEvent(received, 'a red square', 'stop'));
        sendEvent(response, '[DONE]');
        return pour(response, Buffer.from(': ping\n\n'.repeat(999)));
      };
      expect(await pieces(await open())).to.deep.equal(['a red square']);
    });
  });

  describe('that speaks no HTTP', () => {
    const raw = async (behave: (socket: Socket) => void, code: QAViTErrorCode, message: RegExp, tokens = TOKENS) => {
      const sockets = new Set<Socket>();
      const listener = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        behave(socket);
      });
      listener.listen(0, '127.0.0.1');
      await once(listener, 'listening');
      const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/v1`;
      const model = await openVllm({ url, model: 'tiny', retries: 0, timeout: 300 }, { width: WIDTH });
      await expectRejection(pieces(model, 'a', {}, tokens), code, message);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    };

    it('nobody', async () => {
      const closed = await FakeVllm.start();
      const { url } = closed;
      await closed.close();
      const model = await openVllm({ url, model: 'tiny', retries: 0 }, { width: WIDTH });
      await expectRejection(pieces(model), 'ERR_DEVICE', /a broken connection \(.*ECONNREFUSED/);
    });
    it('a socket closed at once', () => raw((socket) => socket.destroy(), 'ERR_DEVICE', /broken connection/));
    it('a socket closed on one side', () => raw((socket) => socket.end(), 'ERR_DEVICE', /broken connection/));
    it('a socket that reads and says nothing', () =>
      raw((socket) => socket.resume(), 'ERR_DEVICE', /nothing for 300 ms/));
    it('a socket that does not even read', () => raw((socket) => socket.pause(), 'ERR_DEVICE', /nothing for 300 ms/));
    it('noise', () => raw((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), 'ERR_DEVICE', /broken connection/));
    it('a head that never ends', () =>
      raw(
        (socket) => void pour(socket, Buffer.from(`x-header: ${'y'.repeat(1000)}\r\n`)),
        'ERR_DEVICE',
        /broken connection/,
      ));
    it('a refusal before the request is read, as proxies have it', async () => {
      const rows = 4000; // more than the sockets' buffers hold
      const large = { data: new Float32Array(rows * WIDTH).fill(0.5), shape: [rows, WIDTH] as [number, number] };
      const head = 'HTTP/1.1 413 Payload Too Large\r\ncontent-length: 9\r\nconnection: close\r\n\r\ntoo large';
      const refuse = (socket: Socket) => void socket.once('data', () => socket.pause().end(head));
      await raw(refuse, 'ERR_ARGUMENT', /status 413 Payload Too Large: "too large"$/, large);
    });
    it('fewer bytes than announced', () =>
      raw(
        (socket) =>
          socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 999\r\n\r\ndata: '),
        'ERR_DEVICE',
        /broken connection/,
      ));
    it('half an answer, and a socket left open', () =>
      raw(
        (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"cho'),
        'ERR_DEVICE',
        /nothing for 300 ms/,
      ));
  });

  it('may say more in all than in one event', async () => {
    const said = 'x'.repeat(2000);
    const stream = Readable.from(Array.from({ length: 300 }, () => Buffer.from(`data: ${said}\n\n`)));
    const failures = new Failures({ name: 'a server', keyVariable: '' }, undefined);
    let count = 0;
    for await (const event of readEvents(stream, failures)) {
      expect(event).to.equal(said);
      count += 1;
    }
    expect(count).to.equal(300);
  });
});
