import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../context';

const answer = (status: string) => ({
  type: 'object',
  required: ['status'],
  additionalProperties: false,
  properties: { status: { const: status } },
});

export function healthRoutes(app: FastifyInstance, { lifecycle }: ServerContext): void {
  // Asked for every few seconds, and nothing to read about.
  const quiet = { config: { rateLimit: false as const }, logLevel: 'warn' as const };
  const alive = {
    operationId: 'getHealth',
    summary: 'Whether the process lives',
    tags: ['operation'],
    response: { 200: { description: 'It does.', ...answer('ok') } },
  };
  app.get('/healthz', { schema: alive, ...quiet }, () => ({ status: 'ok' }));

  const ready = {
    operationId: 'getReadiness',
    summary: 'Whether requests are taken',
    tags: ['operation'],
    response: {
      200: { description: 'They are.', ...answer('ready') },
      503: { description: 'The server drains.', ...answer('draining') },
    },
  };
  app.get('/readyz', { schema: ready, ...quiet }, (_request, reply) => {
    if (lifecycle.ready) return { status: 'ready' };
    return reply.code(503).send({ status: 'draining' });
  });
}
