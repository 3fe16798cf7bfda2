import { connect } from 'node:net';
import { expect } from 'chai';
import { FakeModel } from '../batcher/fake-model';
import { listen, serversForTests } from './open-servers';

const MIB = 2 ** 20;

describe('bodies that are too large', () => {
  const open = serversForTests();

  it('are answered with 413 though their client still sends, every time', async () => {
    const app = await open(new FakeModel(false));
    const { url } = await listen(app);
    const body = Buffer.alloc(40 * MIB, ' ');
    for (let i = 0; i < 20; i += 1) {
      const headers = { 'content-type': 'application/json' };
      const reply = await fetch(`${url}/v1/visual-tokens`, { method: 'POST', headers, body });
      const { error } = (await reply.json()) as { error: { code: string; message: string } };
      expect([reply.status, error.code]).to.deep.equal([413, 'body_too_large']);
      expect(error.message).to.equal(`Expected at most ${16 * MIB} bytes for the body`);
    }
  });

  it('are read on for so many bytes, and no more', async () => {
    const app = await open(new FakeModel(false), { limits: { bodyBytes: 1000 } });
    const { port } = await listen(app);
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write('POST /v1/attend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n');
    socket.write(`Content-Length: ${2 ** 40}\r\n\r\n`);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    let sent = 0;
    const chunk = Buffer.alloc(MIB, ' ');
    const send = (): void => {
      if (!socket.writable) return;
      sent += chunk.length;
      socket.write(chunk, send);
    };
    send();
    let answer = '';
    socket.on('data', (data) => (answer += data.toString()));
    await closed;
    expect(answer).to.match(/^HTTP\/1.1 413 /);
    expect(sent).to.be.above(32 * MIB);
  });
});
