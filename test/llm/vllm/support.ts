import { expect } from 'chai';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { QAViTErrorCode } from '../../../lib';
import {
  type GenerateOptions,
  type LanguageModel,
  openVllm,
  type VisualTokens,
  type VllmServer,
} from '../../../lib/vllm';
import { expectRejection } from '../../support/expect-error';
import { FakeVllm, type Respond } from '../../support/fake-vllm';
import { floats, random } from '../../support/random';

/** E of the tokens below. */
export const WIDTH = 32;

export const TOKENS: VisualTokens = { data: floats(random(5), 5 * WIDTH), shape: [5, WIDTH], key: 'of a picture' };

export async function pieces(
  model: LanguageModel,
  question = 'what is it?',
  options?: GenerateOptions,
  tokens = TOKENS,
): Promise<string[]> {
  const said: string[] = [];
  for await (const piece of model.generate(tokens, question, options)) said.push(piece);
  return said;
}

/** Call inside `describe`: a server for each test, gone when the test is over, and models that talk to it. */
export function vllmOfTest(): {
  server: () => FakeVllm;
  open: (settings?: Partial<VllmServer>) => Promise<LanguageModel>;
} {
  let server: FakeVllm;
  const models: LanguageModel[] = [];
  beforeEach(async () => {
    server = await FakeVllm.start();
  });
  afterEach(async () => {
    await Promise.all(models.splice(0).map((model) => model.close()));
    await server.close();
  });
  return {
    server: () => server,
    open: async (settings = {}) => {
      const model = await openVllm({ url: server.url, model: 'tiny', retries: 0, ...settings }, { width: WIDTH });
      models.push(model);
      return model;
    },
  };
}

/** Answers differently each time; the last one again and again. */
export function inTurn(...responds: readonly Respond[]): Respond {
  return (received, response, count) => responds[Math.min(count, responds.length) - 1]?.(received, response, count);
}

/** Sets environment variables for one test. */
export function environment(): (name: string, value: string) => void {
  const before = new Map<string, string | undefined>();
  afterEach(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    before.clear();
  });
  return (name, value) => {
    if (!before.has(name)) before.set(name, process.env[name]);
    process.env[name] = value;
  };
}

/** Megabytes that a hostile answer may make the process grow by; what it could send has no end. */
const MEMORY = 64;

/** A test that an answer ends in this error, in bounded memory. */
export function failing({ server, open }: ReturnType<typeof vllmOfTest>) {
  return async (respond: Respond, code: QAViTErrorCode, message: RegExp, timeout = 10_000): Promise<void> => {
    server().respond = respond;
    const before = process.memoryUsage().rss;
    await expectRejection(pieces(await open({ timeout }), 'a', { maxNewTokens: 20 }), code, message);
    expect((process.memoryUsage().rss - before) / 2 ** 20).to.be.lessThan(MEMORY);
  };
}

/** One answer, whole and at once. */
export function answering(status: number, type: string | undefined, text: string): Respond {
  return (_, response) => {
    response.writeHead(status, type === undefined ? {} : { 'content-type': type });
    response.end(text);
  };
}

/** Writes as long as the other end reads. */
export async function pour(out: Writable, chunk: Buffer): Promise<void> {
  const gone = once(out, 'close').catch(() => undefined);
  while (!out.destroyed) {
    if (out.write(chunk)) continue;
    const turn = new AbortController();
    const drained = once(out, 'drain', { signal: turn.signal }).catch(() => undefined);
    await Promise.race([gone, drained]);
    turn.abort();
  }
}
