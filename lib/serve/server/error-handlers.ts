import type { FastifyInstance } from 'fastify';
import type { ServerContext } from './context';
import { errorBody, errorReply } from './errors';

/** Makes everything that goes wrong an error in OpenAI's form. */
export function answerErrors(app: FastifyInstance, { models }: ServerContext): void {
  const retryAfter = (): number => Math.max(1, ...[...models.values()].map(({ batcher }) => batcher.retryAfterSeconds));

  app.setErrorHandler((error, request, reply) => {
    const { status, body, retry } = errorReply(error, request.fields);
    // A client that has hung up is no failure.
    if (status >= 500 && !request.raw.socket.destroyed) request.log.error({ err: error }, 'request failed');
    if (retry && !reply.hasHeader('retry-after')) void reply.header('retry-after', String(retryAfter()));
    return reply.code(status).send(body);
  });

  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(errorBody(404, 'Expected one of the routes of /openapi.json', 'not_found')),
  );
}
