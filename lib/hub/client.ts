/**
 * HTTP to a hub: who gets the token, how long to wait, what a status means. `@huggingface/hub` asks its questions through `fetch` below;
 * by itself it has no timeouts and no repetitions, takes only tokens that begin with hf_, and sends the token wherever a page of a
 * listing says that the next one is.
 */
import { expectedButFound, QAViTError } from '../errors';
import { PassingFailure } from './persist';
import type { HubSettings } from './settings';

/** A hub answers with a redirection or two: to a model's new name, to where its large files lie. */
const MAX_REDIRECTIONS = 5;
/** A page of a listing is some hundred KB. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20;

const REDIRECTIONS = [301, 302, 303, 307, 308];
const PASSING = [408, 425, 429, 500, 502, 503, 504];

/** No server answered the first request: there may be no network at all. */
export class Unreachable extends QAViTError {
  constructor(
    readonly origin: string,
    readonly reason: string,
  ) {
    super('ERR_NETWORK', `Expected an answer for ${origin} but received none (${reason})`);
  }
}

/** The hub has the model, and not this branch, tag or commit of it. */
export class NoSuchRevision extends QAViTError {}

/** An answer whose body is yet to come, in pieces that must not be too long apart. */
export interface Opened {
  readonly response: Response;
  readonly pieces: AsyncIterable<Uint8Array>;
}

export class HubClient {
  private readonly home: string;
  /** Whether any server has answered yet. */
  private reached = false;

  /** @param repo for messages */
  constructor(
    readonly settings: HubSettings,
    private readonly repo: string,
    private readonly signal?: AbortSignal,
  ) {
    this.home = new URL(settings.endpoint).origin;
  }

  /** For `@huggingface/hub`: whole answers of a bounded size. */
  readonly fetch: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const { response, pieces } = await this.open(url, Object.fromEntries(new Headers(init?.headers)));
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of pieces) {
      parts.push(piece);
      bytes += piece.byteLength;
      if (bytes <= MAX_ANSWER_BYTES) continue;
      throw expectedButFound('ERR_FORMAT', `at most ${MAX_ANSWER_BYTES} bytes`, bare(url), 'more');
    }
    const { status, headers } = response;
    return new Response(Buffer.concat(parts), { status, headers });
  };

  /**
   * @throws QAViTError ERR_ARGUMENT (no such model, no access), ERR_NETWORK (Unreachable, an answer that makes no sense);
   *   PassingFailure
   */
  async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Opened> {
    const patience = new Patience(this.settings.timeoutMs, this.signal);
    try {
      // Compressed on the way, a body would not have the length that the listing says.
      const response = await this.follow(new URL(url), { ...headers, 'accept-encoding': 'identity' }, patience.signal);
      this.reached = true;
      if (!response.ok && response.status !== 416) throw await this.refusal(response);
      return { response, pieces: this.read(response, patience) };
    } catch (error) {
      patience.end();
      throw this.failure(error, url);
    }
  }

  private async follow(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    for (let hop = 0; hop <= MAX_REDIRECTIONS; hop++) {
      const { token } = this.settings;
      const own: Record<string, string> = { ...headers };
      if (token !== undefined && url.origin === this.home) own.authorization = `Bearer ${token.secret}`;
      const response = await fetch(url, { headers: own, redirect: 'manual', signal });
      if (!REDIRECTIONS.includes(response.status)) return response;
      await response.body?.cancel();
      url = nextOf(url, response.headers.get('location') ?? '');
    }
    throw expectedButFound('ERR_NETWORK', `at most ${MAX_REDIRECTIONS} redirections`, bare(url.href), 'more');
  }

  private async *read({ body }: Response, patience: Patience): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
        yield piece;
        patience.touch(); // after the caller has dealt with it: a slow disk is not a silent server
      }
    } catch (error) {
      throw this.failure(error, this.settings.endpoint);
    } finally {
      patience.end();
    }
  }

  /** What fetch() throws, as what it means. */
  private failure(error: unknown, url: string): unknown {
    if (this.signal?.aborted || !(error instanceof Error) || !isOfFetch(error)) return error;
    const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException;
    const reason = code ?? message;
    if (this.reached) return error instanceof PassingFailure ? error : new PassingFailure(reason);
    return new Unreachable(new URL(url).origin, reason);
  }

  private async refusal(response: Response): Promise<Error> {
    const { status, headers, url } = response;
    const said = headers.get('x-error-message') ?? '';
    await response.body?.cancel();
    const words = said ? `${status}, "${said.replace(/[^\x20-\x7e]/g, ' ').slice(0, 200)}"` : String(status);
    if (PASSING.includes(status)) return new PassingFailure(`status ${words}`, headers.get('retry-after'));
    // Where large files lie, 403 means a link that is no longer good, and not what it means at the hub.
    const elsewhere = url !== '' && new URL(url).origin !== this.home;
    if (elsewhere) return expectedButFound('ERR_NETWORK', 'an answer', bare(url), `status ${words}`);
    return this.refused(status, words, headers.get('x-error-code'));
  }

  private refused(status: number, words: string, code: string | null): QAViTError {
    const { endpoint, token } = this.settings;
    const where = `${this.repo} at ${endpoint}`;
    const access = (advice: string): QAViTError =>
      expectedButFound('ERR_ARGUMENT', 'access', where, `status ${words}: ${advice}`);
    if (status === 403 || code === 'GatedRepo') {
      return access(`accept its terms at ${endpoint}/${this.repo}, and set HF_TOKEN or log in with "hf auth login"`);
    }
    if (status === 401) {
      const key = token
        ? `the token in ${token.source} may not read it`
        : 'no token is set (HF_TOKEN) or saved ("hf auth login")';
      return access(`there is no such model, or it is private, and ${key}`);
    }
    if (status === 404 || status === 410) {
      if (code !== 'RevisionNotFound') {
        return expectedButFound('ERR_ARGUMENT', 'a model that exists', where, `status ${words}`);
      }
      const message = `Expected a revision that exists for ${where} but received status ${words}`;
      return new NoSuchRevision('ERR_ARGUMENT', message);
    }
    return expectedButFound('ERR_NETWORK', 'an answer', where, `status ${words}`);
  }
}

/** Ends a request whose server says nothing for too long. */
class Patience {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  readonly signal: AbortSignal;

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    const silent = new PassingFailure(`nothing for ${timeoutMs / 1000} seconds`);
    // A request under way keeps the process alive by itself.
    this.timer = setTimeout(() => this.controller.abort(silent), timeoutMs).unref();
    this.signal = signal ? AbortSignal.any([signal, this.controller.signal]) : this.controller.signal;
  }

  touch(): void {
    this.timer.refresh();
  }

  end(): void {
    clearTimeout(this.timer);
  }
}

/** Where a redirection leads; never from https to http, where anybody on the way could answer. */
function nextOf(from: URL, location: string): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  const safe = from.protocol === 'https:' ? ['https:'] : ['https:', 'http:'];
  if (next && safe.includes(next.protocol) && !next.username && !next.password) return next;
  const what = `a redirection to ${safe.join(' or ')}//...`;
  throw expectedButFound('ERR_NETWORK', what, bare(from.href), next ? `one to ${next.protocol}//` : 'none');
}

/** Signed addresses have their secret in the query. */
function bare(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** fetch() throws a TypeError where a connection fails or breaks, and what its signal was aborted with. */
function isOfFetch(error: Error): boolean {
  return error instanceof TypeError || error instanceof PassingFailure;
}
