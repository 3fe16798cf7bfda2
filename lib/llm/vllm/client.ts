/**
 * HTTP to a vLLM server, on Node's fetch.
 *
 * Why not the `openai` package, which carries the extra fields as well: it follows redirects, it reads error pages and lines of an
 * event stream whole however long they are, and its timeout ends with the response's head. A language model's address comes from a
 * configuration, and what answers there need not be vLLM.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PATIENCE_MS } from '../../retry';
import { Connection, type ServerEvent } from './connection';
import { Failures } from './failures';
import type { ServerSettings } from './server';

/** HTTP has no other characters in a header. */
const KEY = /^[\x21-\x7e]{1,4096}$/;

export type Endpoint = 'chat/completions' | 'completions';

/** Requests to one server. Holds nothing between them but what Node.js keeps: idle connections, for seconds. */
export class VllmClient {
  constructor(private readonly server: ServerSettings) {}

  /**
   * Sends a request for a streamed answer; sends it again, waiting longer each time, while the server is busy or out of reach.
   *
   * @param body JSON
   * @returns the events, then DONE where the answer is whole; leaving the loop ends the connection, which ends the server's work
   * @throws ServerFailure; whatever fetch() throws once `signal` fires
   */
  async *stream(endpoint: Endpoint, body: Uint8Array, signal: AbortSignal): AsyncGenerator<ServerEvent, void, void> {
    const key = this.key();
    const failures = this.failures();
    const connection = new Connection(this.server, failures, signal);
    try {
      const response = await this.request(connection, endpoint, body, key, failures);
      yield* connection.events(response);
    } finally {
      connection.close();
    }
  }

  /** Words what goes wrong. */
  failures(): Failures {
    return new Failures(this.server, process.env[this.server.keyVariable] || undefined);
  }

  private async request(
    connection: Connection,
    endpoint: Endpoint,
    body: Uint8Array,
    key: string | undefined,
    failures: Failures,
  ): Promise<Response> {
    const headers = {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
    const init = { method: 'POST', headers, body, redirect: 'manual', signal: connection.signal } as const;
    for (let attempt = 0; ; attempt++) {
      const outcome = await connection.attempt(`${this.server.url}/${endpoint}`, init);
      if (outcome instanceof Response) return outcome;
      const wait = outcome.wait?.(attempt);
      if (wait === undefined || attempt === this.server.retries) throw outcome.failure;
      if (wait > PATIENCE_MS) {
        const found = `one that asks for ${Math.ceil(wait / 1000)} s`;
        throw failures.make('ERR_BUSY', 'a server that is soon back', found);
      }
      await sleep(wait, undefined, { signal: connection.signal });
    }
  }

  /** Read for every request, so that a changed key needs no new start; never part of a message. */
  private key(): string | undefined {
    const { keyVariable } = this.server;
    const key = process.env[keyVariable];
    if (key === undefined || key === '') return undefined;
    if (KEY.test(key)) return key;
    throw this.failures().make(
      'ERR_ARGUMENT',
      `a key in environment variable ${keyVariable}`,
      'characters that no header has',
    );
  }
}
