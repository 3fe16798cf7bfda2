import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Metrics } from '../metrics';
import { failures } from '../schemas/errors';

/** How the server does, for Prometheus. */
export function metricsRoute(app: FastifyInstance, metrics: Metrics): void {
  const schema = {
    summary: 'Metrics in Prometheus’ text format',
    operationId: 'getMetrics',
    tags: ['operation'],
    response: {
      200: { description: 'They.', content: { 'text/plain': { schema: { type: 'string' } } } },
      401: failures[401],
    },
  };
  // Who may read them may do so at any rate; who tries out keys may not.
  const config = { rateLimit: { allowList: ({ mayAsk }: FastifyRequest) => mayAsk } };
  app.get('/metrics', { schema, config, logLevel: 'warn' }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
}

/** Counts every answer under the route it came by, so that what strangers ask for makes no new series. */
export function countAnswers(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', (request, reply, done) => {
    metrics.answered(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
}
