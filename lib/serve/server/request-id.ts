import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** The header by which OpenAI's clients know a request; what the log calls reqId. */
export const REQUEST_ID = 'x-request-id';

/** Unlike a process's own count, no two of any servers are the same. */
export const newRequestId = (): string => randomUUID();

export function tellRequestId({ id }: FastifyRequest, reply: FastifyReply): void {
  void reply.header(REQUEST_ID, id);
}

/** Puts a request's number on its answer, whatever that will be. */
export function numberRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    tellRequestId(request, reply);
    done();
  });
}
