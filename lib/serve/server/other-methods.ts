import type { FastifyInstance, HTTPMethods } from 'fastify';
import { RequestError } from '../request-error';

/** Not OPTIONS, which belongs to CORS. */
const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * Lets routes that are registered after it say which methods they have, where they are asked by another.
 *
 * @returns to be called when all of them are there
 */
export function answerOtherMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<HTTPMethods>>();
  let complete = false;
  app.addHook('onRoute', ({ url, method }) => {
    if (complete) return;
    const methods = known.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    known.set(url, methods);
  });
  return () => {
    complete = true;
    for (const [url, methods] of known) refuse(app, url, [...methods]);
  };
}

function refuse(app: FastifyInstance, url: string, allowed: readonly HTTPMethods[]): void {
  app.route({
    url,
    method: METHODS.filter((method) => !allowed.includes(method)),
    schema: { hide: true },
    exposeHeadRoute: false,
    // Before anything of a body is read.
    onRequest: async (_request, reply) => {
      void reply.header('allow', allowed.join(', '));
      throw new RequestError(405, 'method_not_allowed', `Expected ${allowed.join(' or ')} for this route`);
    },
    handler: () => undefined,
  });
}
