import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a client sent. */
export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  /** Of JSON. */
  body: Record<string, unknown>;
  /** Resolves when the client has gone before its answer was whole. */
  left: Promise<void>;
}

export type Respond = (received: Received, response: ServerResponse, count: number) => void | Promise<void>;

/** A server on this machine that speaks as vLLM's OpenAI-compatible one does, or as a test wants it to. */
export class FakeVllm {
  readonly received: Received[] = [];
  respond: Respond;

  private constructor(
    private readonly server: Server,
    respond: Respond,
  ) {
    this.respond = respond;
  }

  static async start(
    respond: Respond = (received, response) => say(received, response, 'a red square'),
  ): Promise<FakeVllm> {
    const server = createServer();
    const fake = new FakeVllm(server, respond);
    server.on('request', (request, response) => void fake.answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Where its API is. */
  get url(): string {
    return `${this.origin}/v1`;
  }

  get last(): Received {
    const last = this.received.at(-1);
    if (!last) throw new Error('nothing was received');
    return last;
  }

  /** Connections that are open. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const left = new Promise<void>((resolve) => response.on('close', () => !response.writableFinished && resolve()));
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer);
      const text = Buffer.concat(parts).toString();
      const body = (text === '' ? {} : JSON.parse(text)) as Received['body'];
      const received = { path: request.url ?? '', headers: request.headers, body, left };
      this.received.push(received);
      await this.respond(received, response, this.received.length);
    } catch {
      response.destroy();
    }
  }
}

/** The head of a streamed answer. */
export function startEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
}

export function sendEvent(response: ServerResponse, data: unknown): void {
  response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
}

/** One token's event, in the form of the endpoint. */
export function tokenEvent({ path }: Pick<Received, 'path'>, text: string, finish: string | null = null): object {
  const chat = path.endsWith('/chat/completions');
  const choice = chat ? { index: 0, delta: { content: text } } : { index: 0, text, logprobs: null };
  const object = chat ? 'chat.completion.chunk' : 'text_completion';
  return { id: 'cmpl-1', object, created: 1, model: 'tiny', choices: [{ ...choice, finish_reason: finish }] };
}

/** A whole answer, a word an event, as vLLM sends it: chat begins with the role; the last event has the reason and no text. */
export function say(received: Pick<Received, 'path'>, response: ServerResponse, text: string): void {
  startEvents(response);
  if (received.path.endsWith('/chat/completions')) {
    const first = { index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null };
    sendEvent(response, { id: 'cmpl-1', object: 'chat.completion.chunk', created: 1, model: 'tiny', choices: [first] });
  }
  for (const word of text.match(/\s*\S+/g) ?? []) sendEvent(response, tokenEvent(received, word));
  sendEvent(response, tokenEvent(received, '', 'stop'));
  sendEvent(response, '[DONE]');
  response.end();
}

/** An error as vLLM words it. */
export function refuse(response: ServerResponse, status: number, message: string, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ error: { message, type: 'BadRequestError', param: null, code: status } }));
}
