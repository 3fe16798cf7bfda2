import http from 'node:http';
import { ANSWER_TOKENS, digest, type Pair } from './world';

export type Route = 'chat' | 'stream' | 'tokens';

export interface Outcome {
  status: number;
  ms: number;
  /** Undefined where there was no answer to compare. */
  right: boolean | undefined;
}

export interface Reply {
  status: number;
  text: string;
}

/** Sends requests over kept connections and compares each answer with the library's own. */
export class Client {
  private readonly agent: http.Agent;

  constructor(
    private readonly url: string,
    connections = 64,
  ) {
    this.agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  }

  close(): void {
    this.agent.destroy();
  }

  async ask(pair: Pair, route: Route, signal?: AbortSignal): Promise<Outcome> {
    const start = performance.now();
    const { status, text } = await this.post(pathOf(route), bodyOf(pair, route), signal);
    const ms = performance.now() - start;
    if (status !== 200) return { status, ms, right: undefined };
    // A stream's status is sent before it fails; the failure is an event.
    const failed = route === 'stream' && /data: \{"error":.*\n\n$/.test(text);
    return failed ? { status: 500, ms, right: undefined } : { status, ms, right: isRight(pair, route, text) };
  }

  post(path: string, body: string, signal?: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const request = http.request(
        `${this.url}${path}`,
        { method: 'POST', agent: this.agent, headers, signal },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  /** @param label such as `state="running"`, where there is one value for each */
  async metric(name: string, label = ''): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{[^}]*${label}\\})? (\\S+)$`, 'm').exec(text)?.[1]);
  }
}

function pathOf(route: Route): string {
  return route === 'tokens' ? '/v1/visual-tokens' : '/v1/chat/completions';
}

export function bodyOf({ url, question }: Pair, route: Route): string {
  if (route === 'tokens') return JSON.stringify({ model: 'demo', image: url, question });
  const content = [
    { type: 'text', text: question },
    { type: 'image_url', image_url: { url } },
  ];
  const messages = [{ role: 'user', content }];
  return JSON.stringify({ model: 'demo', messages, stream: route === 'stream', max_tokens: ANSWER_TOKENS });
}

function isRight(pair: Pair, route: Route, text: string): boolean {
  if (route === 'tokens') {
    const { data } = JSON.parse(text) as { data: string };
    return digest(Buffer.from(data, 'base64')) === pair.tokens;
  }
  if (route === 'chat') {
    const { choices } = JSON.parse(text) as { choices: { message: { content: string } }[] };
    return choices[0]?.message.content === pair.answer;
  }
  const events = text
    .trim()
    .split('\n\n')
    .map((event) => event.slice('data: '.length));
  if (events.pop() !== '[DONE]') return false;
  type Chunk = { choices: { delta: { content?: string } }[] };
  return events.map((event) => (JSON.parse(event) as Chunk).choices[0]?.delta.content ?? '').join('') === pair.answer;
}
