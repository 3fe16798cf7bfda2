import { isJsonObject, type JsonObject } from '../../json-file';
import { retryDelay } from '../../retry';
import { readEvents } from './events';
import { type Failures, messageOf, ServerFailure, shown } from './failures';
import { Patience } from './patience';
import type { ServerSettings } from './server';

/** The end of a whole answer. */
export const DONE = 'done';
/** What a streamed answer is made of. */
export type ServerEvent = JsonObject | typeof DONE;

/** An error's body is a sentence, a proxy's page some KB; the rest is not read. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Behind the last event comes the end of the response, mostly in the same packet; then its connection serves the next request. */
const LINGER_MS = 200;
/** What a restarting server or a closed idle connection looks like; a name that is not known or a wrong certificate stays wrong. */
const PASSING = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EAI_AGAIN'],
  ...['UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT'],
]);

/** One attempt that did not bring an answer. */
export interface Setback {
  readonly failure: ServerFailure;
  /** Milliseconds to the next one; undefined where it makes no sense. */
  readonly wait?: (attempt: number) => number;
}

/** One request on its way, over all its attempts. */
export class Connection {
  private readonly controller = new AbortController();
  private readonly patience: Patience;
  private readonly onAbort = (): void => this.controller.abort(this.caller.reason);

  constructor(
    private readonly server: ServerSettings,
    private readonly failures: Failures,
    private readonly caller: AbortSignal,
  ) {
    this.patience = new Patience(server.timeout, () => this.controller.abort());
    if (caller.aborted) this.onAbort();
    else caller.addEventListener('abort', this.onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  close(): void {
    this.caller.removeEventListener('abort', this.onAbort);
    this.controller.abort();
  }

  async attempt(url: string, init: RequestInit): Promise<Response | Setback> {
    let response: Response;
    try {
      response = await this.patience.during(fetch(url, init));
    } catch (error) {
      const failure = this.broken(error);
      const again = !this.patience.over && PASSING.has(codeOf(error));
      return again ? { failure, wait: (attempt) => retryDelay(attempt, null) } : { failure };
    }
    if (response.status === 200 && contentType(response) === 'text/event-stream') return response;
    return this.refusal(response);
  }

  /** @throws ServerFailure for a stream that breaks off or is none */
  async *events(response: Response): AsyncGenerator<ServerEvent, void, void> {
    const events = readEvents(chunksOf(response), this.failures);
    for (;;) {
      const { done, value } = await this.next(events);
      if (done) return;
      if (value !== '[DONE]') {
        yield this.parse(value);
        continue;
      }
      yield DONE;
      await this.patience.during(events.next(), LINGER_MS).catch(() => undefined);
      return;
    }
  }

  private async next(events: AsyncGenerator<string, void, void>): Promise<IteratorResult<string, void>> {
    try {
      return await this.patience.during(events.next());
    } catch (error) {
      throw error instanceof ServerFailure ? error : this.broken(error);
    }
  }

  private parse(event: string): JsonObject {
    try {
      const value: unknown = JSON.parse(event);
      if (isJsonObject(value)) return value;
    } catch {
      // Said below, with what came instead.
    }
    throw this.failures.make('ERR_FORMAT', 'events of JSON objects', JSON.stringify(shown(event)));
  }

  /** Something came that is no stream. */
  private async refusal(response: Response): Promise<Setback> {
    const { status, headers } = response;
    if (status >= 300 && status < 400) {
      const where = JSON.stringify(shown(headers.get('location') ?? 'nowhere'));
      const found = `a redirect (status ${status}) to ${where}, where neither key nor tokens are sent`;
      return { failure: this.failures.make('ERR_ARGUMENT', 'the address of the server itself', found) };
    }
    const type = contentType(response);
    const said = await this.patience.during(beginningOf(response)).catch(() => '');
    if (status === 200) {
      const found = `${type || 'no content type'}: ${JSON.stringify(messageOf(said, type))}`;
      return { failure: this.failures.make('ERR_FORMAT', 'a stream of events (text/event-stream)', found) };
    }
    const failure = this.failures.ofStatus(status, type, said);
    if (this.patience.over || (status !== 429 && status !== 503)) return { failure };
    return { failure, wait: (attempt) => retryDelay(attempt, headers.get('retry-after')) };
  }

  /** fetch() says "fetch failed", and why in its cause. */
  private broken(error: unknown): ServerFailure {
    if (this.patience.over) {
      return this.failures.make('ERR_DEVICE', 'an answer', `nothing for ${this.server.timeout} ms`);
    }
    const { message, cause } = error as Error;
    const reason = cause instanceof Error && cause.message !== '' ? cause.message : message;
    const code = codeOf(error);
    const why = reason.includes(code) ? reason : `${code}: ${reason}`;
    return this.failures.make('ERR_DEVICE', 'an answer', `a broken connection (${shown(why)})`);
  }
}

/** The system's or fetch()'s name of what went wrong. */
function codeOf(error: unknown): string {
  const { code } = ((error as Error).cause ?? error) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

function contentType({ headers }: Response): string {
  return headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
}

async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array, void, void> {
  if (body) for await (const chunk of body) yield chunk as Uint8Array;
}

/** What a body says first; the rest is not waited for. */
async function beginningOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(response)) {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes >= MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(parts).subarray(0, MAX_ERROR_BYTES).toString('utf8');
}
