import type { FastifyInstance, FastifyRequest } from 'fastify';
import { whenOver } from '../hang-ups';
import type { Metrics } from '../metrics';
import { failures } from '../schemas/errors';

/** What nginx and those who read its logs call it when a client hangs up. */
const HUNG_UP = 499;

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

/** Counts every request under the route it came by, so that what strangers ask for makes no new series. */
export function countRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', (request, reply, done) => {
    metrics.ended(routeOf(request), reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
  // The framework tells of answers alone.
  app.addHook('onRequest', (request, reply, done) => {
    let isOver = false;
    whenOver(request, reply, () => {
      if (isOver || reply.raw.writableFinished) return;
      isOver = true;
      metrics.ended(routeOf(request), HUNG_UP);
      request.log.info({ res: { statusCode: HUNG_UP } }, 'client hung up');
    });
    done();
  });
}

function routeOf({ routeOptions }: FastifyRequest): string {
  return routeOptions.url ?? 'none';
}
