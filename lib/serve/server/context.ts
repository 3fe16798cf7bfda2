import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FairSlots } from '../batcher/fair-slots';
import type { InputFields } from './errors';
import { whenOver } from './hang-ups';
import type { Lifecycle, Running } from './lifecycle';
import type { Metrics } from './metrics';
import type { ResolvedServerOptions } from './options';
import type { ServedModel } from './served-model';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose turn a request takes, and who is limited: an API key's number, or an address. */
    caller: string;
    /** Whether it shows a key, where one is needed. */
    mayAsk: boolean;
    /** Where its picture and its question stood, once they were found. */
    fields: InputFields | null;
    /** Milliseconds of performance.now() when the request came in. */
    receivedAt: number;
  }
}

/** Made once, because making one traces the stack. */
const HUNG_UP = new Error('the client hanging up');

/** What all routes work with. */
export interface ServerContext {
  readonly models: ReadonlyMap<string, ServedModel>;
  readonly options: ResolvedServerOptions;
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  /** Places for pictures that are fetched from elsewhere. */
  readonly fetches: FairSlots;
}

export function elapsed({ receivedAt }: FastifyRequest): number {
  return performance.now() - receivedAt;
}

/**
 * Begins work for a request; its signal fires when the client hangs up before the answer is sent.
 *
 * @throws RequestError 503 while the server drains
 */
export function beginFor(request: FastifyRequest, reply: FastifyReply, { lifecycle }: ServerContext): Running {
  const running = lifecycle.begin();
  whenOver(request, reply, () => running.end(HUNG_UP));
  // That nothing moves while the work goes on is our own doing; that an answer is not read is the client's.
  reply.raw.on('timeout', (socket: Socket) => {
    if (reply.raw.writableLength > 0) socket.destroy();
  });
  return running;
}
