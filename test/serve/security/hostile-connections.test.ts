import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { serverUnderAttack } from './hostile-server';

describe('hostile connections', () => {
  const { here } = serverUnderAttack();

  /** Writes what a client sends and waits until the server hangs up. */
  async function dialogue(
    write: (socket: ReturnType<typeof connect>) => Promise<void>,
  ): Promise<{ text: string; ms: number }> {
    const socket = connect(here.port, '127.0.0.1');
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

  /** An answer of the usual form, with its request's number. */
  function expectError(text: string, status: number, code: string): void {
    const [head = '', body = ''] = text.split('\r\n\r\n');
    expect(head)
      .to.match(new RegExp(`^HTTP/1.1 ${status} `))
      .and.match(/^x-request-id: [0-9a-f-]{36}$/m);
    const { error } = JSON.parse(body) as { error: object };
    expect(error).to.have.all.keys('message', 'type', 'param', 'code').and.include({ code, param: null });
  }

  it('that send slowly are hung up on, in the head and in the body', async () => {
    const trickle = (text: string) => async (socket: ReturnType<typeof connect>) => {
      for (const letter of text) {
        if (socket.destroyed || !socket.writable) return;
        socket.write(letter);
        await sleep(20);
      }
    };
    const head = await dialogue(trickle(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ${'x'.repeat(500)}`));
    expectError(head.text, 408, 'request_timeout');
    const body = await dialogue(async (socket) => {
      socket.write(
        'POST /v1/attend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
      );
      await trickle('{'.padEnd(500))(socket);
    });
    expect(body.text).to.match(/^HTTP\/1.1 408|^$/);
    expect(here.app.server.connections ?? 0).to.be.lessThan(10);
  });

  it('that end in the middle leave nothing behind', async () => {
    for (let i = 0; i < 50; i += 1) {
      const socket = connect(here.port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(
        'POST /v1/attend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"model":',
      );
      if (i % 2) socket.resetAndDestroy();
      else socket.end();
    }
    await sleep(50);
    const metrics = (await here.app.inject('/metrics')).body;
    expect(metrics).to.match(/qavit_pending_requests\{model="demo"\} 0/);
  });

  it('that speak no HTTP are answered with 400', async () => {
    const { text } = await dialogue((socket) => {
      socket.write('\x16\x03\x01\x02\x00\x01\x00\r\n\r\n');
      return Promise.resolve();
    });
    expectError(text, 400, 'invalid_http');
  });

  it('whose bodies grow without saying how far are cut off', async () => {
    const { text } = await dialogue(async (socket) => {
      socket.write('POST /v1/attend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n');
      socket.write('Transfer-Encoding: chunked\r\n\r\n');
      for (let i = 0; i < 40 && socket.writable; i += 1) {
        socket.write(`4000\r\n${' '.repeat(0x4000)}\r\n`);
        await sleep(1);
      }
    });
    expect(text).to.match(/^HTTP\/1.1 413/);
  });

  it('whose heads are too large, or tell two lengths, are answered with 4xx', async () => {
    for (const [head, status, code] of [
      [`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'head_too_large'],
      [
        'POST /v1/attend HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
        400,
        'invalid_http',
      ],
      ['POST /v1/attend HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 400, 'invalid_http'],
    ] as const) {
      const { text } = await dialogue((socket) => {
        socket.write(head);
        return Promise.resolve();
      });
      expectError(text, status, code);
    }
  });
});
