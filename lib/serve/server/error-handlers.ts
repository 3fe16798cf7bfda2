import type { FastifyError, FastifyInstance } from 'fastify';
import { RequestError } from '../request-error';
import type { ServerContext } from './context';
import { errorBody, errorReply } from './errors';
import { boundRest } from './unread-bodies';

/** With which a server of OpenAI's tells its clients whether to send a request again. */
export const SHOULD_RETRY = 'x-should-retry';

/** Makes everything that goes wrong an error in OpenAI's form. */
export function answerErrors(app: FastifyInstance, { models, options }: ServerContext): void {
  const retryAfter = (): number => Math.max(1, ...[...models.values()].map(({ batcher }) => batcher.retryAfterSeconds));

  const tooLarge = `Expected at most ${options.limits.bodyBytes} bytes for the body`;

  app.setErrorHandler<Error & Partial<FastifyError>>((error, request, reply) => {
    const isTooLarge = error.code === 'FST_ERR_CTP_BODY_TOO_LARGE';
    const told = isTooLarge ? new RequestError(413, 'body_too_large', tooLarge) : error;
    const { status, body, retry } = errorReply(told, request.fields);
    // The framework would close the connection on who still sends.
    if (isTooLarge) void reply.removeHeader('connection');
    if (request.raw.complete === false) boundRest(request.raw);
    // A client that has hung up is no failure.
    if (status >= 500 && !request.raw.socket.destroyed) request.log.error({ err: error }, 'request failed');
    if (retry && !reply.hasHeader('retry-after')) void reply.header('retry-after', String(retryAfter()));
    // OpenAI's clients take everything from 500 on for passing trouble; a model that cannot do it never will.
    if (status === 501) void reply.header(SHOULD_RETRY, 'false');
    return reply.code(status).send(body);
  });

  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(errorBody(404, 'Expected one of the routes of /openapi.json', 'not_found')),
  );
}
