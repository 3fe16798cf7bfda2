import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../context';

const answer = (status: string) => ({
  type: 'object',
  required: ['status'],
  additionalProperties: false,
  properties: { status: { const: status } },
});

export function healthRoutes(app: FastifyInstance, { lifecycle }: ServerContext): void {
  const config = { rateLimit: false as const };
  const alive = {
    summary: 'Whether the process lives',
    tags: ['operation'],
    response: { 200: { description: 'It does.', ...answer('ok') } },
  };
  app.get('/healthz', { schema: alive, config }, () => ({ status: 'ok' }));

  const ready = {
    summary: 'Whether requests are taken',
    tags: ['operation'],
    response: {
      200: { description: 'They are.', ...answer('ready') },
      503: { description: 'The server drains.', ...answer('draining') },
    },
  };
  app.get('/readyz', { schema: ready, config }, (_request, reply) => {
    if (lifecycle.ready) return { status: 'ready' };
    return reply.code(503).send({ status: 'draining' });
  });
}
