import { expect } from 'chai';
import { pageModule } from './page-module';

type Events = (body: ReadableStream<Uint8Array>) => AsyncGenerator<string, void, void>;

/** A body that comes in the given pieces; `cancelled` tells whether the reader gave it up. */
function bodyOf(pieces: Uint8Array[]): { body: ReadableStream<Uint8Array>; cancelled: () => boolean } {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
    cancel: () => void (cancelled = true),
  });
  return { body, cancelled: () => cancelled };
}

async function all(events: AsyncIterable<string>): Promise<string[]> {
  const collected = [];
  for await (const event of events) collected.push(event);
  return collected;
}

describe("the page's reading of server-sent events", () => {
  let serverSentEvents: Events;
  before(async () => {
    ({ serverSentEvents } = await pageModule<{ serverSentEvents: Events }>('sse.js'));
  });

  it('takes them whole, cut at any byte, with either line ending', async () => {
    const text = ': a comment\n\ndata: {"a":"ß→"}\r\n\r\nevent: x\ndata:one\ndata: two\n\ndata: [DONE]\n\n';
    const bytes = new TextEncoder().encode(text);
    const wanted = ['{"a":"ß→"}', 'one\ntwo', '[DONE]'];
    for (let step = 1; step <= bytes.length; step += 1) {
      const pieces = [];
      for (let i = 0; i < bytes.length; i += step) pieces.push(bytes.slice(i, i + step));
      expect(await all(serverSentEvents(bodyOf(pieces).body)), `pieces of ${step}`).to.deep.equal(wanted);
    }
  });

  it('takes a last event without its empty line', async () => {
    const { body } = bodyOf([new TextEncoder().encode('data: 1\n\ndata: 2')]);
    expect(await all(serverSentEvents(body))).to.deep.equal(['1', '2']);
  });

  it('gives the request up when nobody reads on', async () => {
    const { body, cancelled } = bodyOf(Array.from({ length: 9 }, () => new TextEncoder().encode('data: x\n\n')));
    for await (const event of serverSentEvents(body)) {
      expect(event).to.equal('x');
      break;
    }
    expect(cancelled()).to.equal(true);
  });
});

interface Plain {
  ApiError: new (status: number, message: string, more?: object) => Error;
  PlainError: new (message: string) => Error;
  inPlainWords: (error: unknown) => { message: string; detail: string };
}

describe("the page's words for failures", () => {
  it('say what to do, and keep what the server said', async () => {
    const { ApiError, PlainError, inPlainWords } = await pageModule<Plain>('plain-words.js');
    expect(inPlainWords(new ApiError(429, 'Expected ...', { retryAfter: 1 }))).to.deep.equal({
      message: 'The server has more to do than it can take. Try again in 1 second.',
      detail: 'Expected ...',
    });
    expect(inPlainWords(new ApiError(503, 'draining')).message).to.match(/not ready.*in a moment/);
    expect(inPlainWords(new ApiError(418, 'a teapot')).message).to.equal('The server cannot take this as it is.');
    expect(inPlainWords(new ApiError(502, 'Bad Gateway')).message).to.equal('Something went wrong in the server.');
    expect(inPlainWords(new TypeError('Failed to fetch')).message).to.equal('The server cannot be reached.');
    expect(inPlainWords(new PlainError('That was no picture.')).message).to.equal('That was no picture.');
    expect(inPlainWords('odd').message).to.equal('Something went wrong on this page.');
  });
});
