import cors from '@fastify/cors';
import rateLimit from '@fastify/rate-limit';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { isPlainObject } from '../../calls/options';
import { expected } from '../../errors';
import { systemClock } from '../batcher/clock';
import { FairSlots } from '../batcher/fair-slots';
import { registerPage } from '../page';
import { ownerOf } from '../security/addresses';
import { ApiKeys } from '../security/api-keys';
import { answerConnectionError } from './connection-errors';
import type { ServerContext } from './context';
import { answerErrors, SHOULD_RETRY } from './error-handlers';
import { RequestError } from '../request-error';
import { FETCHES } from './images';
import { Lifecycle } from './lifecycle';
import { errorReply } from './errors';
import { takeJsonAlone } from './json-bodies';
import { loggerOf } from './logging';
import { Metrics } from './metrics';
import { describeRoutes, openApiRoute } from './openapi';
import { checkServerOptions, type ResolvedServerOptions, type ServerOptions } from './options';
import { answerOtherMethods } from './other-methods';
import { attendRoute } from './routes/attend';
import { chatRoute } from './routes/chat';
import { healthRoutes } from './routes/health';
import { countRequests, metricsRoute } from './routes/metrics';
import { modelRoutes } from './routes/models';
import { visualTokensRoute } from './routes/visual-tokens';
import { rateLimitOf } from './rate-limit';
import { newRequestId, numberRequests, REQUEST_ID, tellRequestId } from './request-id';
import { ServedModel, type ServedModels } from './served-model';

/** Characters of a model's name; as the schemas have it, three bytes in a path for each of four. */
const MAX_NAME = 256 * 12;
/** What a request can name and a line can show. */
const NAME = /^[^\p{Cc}]{1,256}$/u;
/** What is sent is checked, not repaired: no field is removed, and no string becomes a number. */
const VALIDATION = {
  removeAdditional: false,
  coerceTypes: false,
  useDefaults: false,
  allErrors: false,
  discriminator: true,
  allowUnionTypes: true,
  // What is wrong is told with the values that are right: validation-errors.ts.
  verbose: true,
} as const;
/** What pages of other origins may read of an answer's head. */
const EXPOSED_HEADERS = [
  REQUEST_ID,
  'retry-after',
  SHOULD_RETRY,
  'x-qavit-shape',
  'x-qavit-key',
  'x-qavit-grid',
  'x-qavit-tiles',
];
/** For answers that are being sent when all work is done. */
const LATE_MS = 500;

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Takes no more requests, lets the running ones finish within `timeouts.drainMs`, then closes. The models stay open: they are their
     * owner's.
     */
    drain(): Promise<void>;
  }
}

/**
 * A server for models that are loaded: OpenAI's chat completions, visual tokens, attention maps, and the page. It listens when it is told
 * to: `await app.listen({ port: 8000 })`.
 *
 * @param models by the name that clients use; several equal ones under one name are replicas
 * @throws QAViTError ERR_ARGUMENT
 * @example
 * const app = await createServer({ demo: model }, { apiKeys: [key] });
 * await app.listen({ port: 8000 });
 */
export async function createServer(models: ServedModels, options?: ServerOptions): Promise<FastifyInstance> {
  const resolved = checkServerOptions(options);
  if (!isPlainObject(models) || 'encodeBatch' in models)
    throw expected('ERR_ARGUMENT', 'models by name, { name: model },', 'createServer', models);
  const names = Object.keys(models);
  if (names.length === 0) throw expected('ERR_ARGUMENT', 'at least one model', 'createServer', models);
  const nameless = names.find((name) => !NAME.test(name));
  if (nameless !== undefined)
    throw expected('ERR_ARGUMENT', 'a name of 1 to 256 characters', 'a model', JSON.stringify(nameless));
  const metrics = new Metrics();
  const served = new Map(names.map((id) => [id, new ServedModel(id, models[id]!, resolved, metrics.observerOf(id))]));
  metrics.watch(served);
  const lifecycle = new Lifecycle(systemClock);
  const fetches = new FairSlots(FETCHES);
  const context: ServerContext = { models: served, options: resolved, lifecycle, metrics, fetches };
  const app = makeApp(resolved);
  numberRequests(app);
  takeJsonAlone(app);
  answerErrors(app, context);
  countRequests(app, metrics);
  await describeRoutes(app, resolved.apiKeys.length > 0);
  app.addHook('onClose', async () => {
    for (const { batcher } of served.values()) await batcher.close();
  });
  app.decorate('drain', async () => {
    await context.lifecycle.drain(resolved.timeouts.drainMs);
    // Who is still sending a request, or does not read an answer, would hold the end up for as long as their timeouts allow.
    const late = setTimeout(() => app.server.closeAllConnections(), LATE_MS);
    await app.close();
    clearTimeout(late);
  });
  app.decorateRequest('caller', '');
  app.decorateRequest('receivedAt', 0);
  app.decorateRequest('mayAsk', false);
  app.decorateRequest('fields', null);
  if (resolved.corsOrigins.length > 0)
    await app.register(cors, { origin: [...resolved.corsOrigins], exposedHeaders: EXPOSED_HEADERS });
  const answerOthers = answerOtherMethods(app);
  healthRoutes(app, context);
  if (resolved.page) registerPage(app);
  await app.register((scope) => apiRoutes(scope, context));
  answerOthers();
  return app;
}

function makeApp({ limits, timeouts, trustProxy, logger }: ResolvedServerOptions): FastifyInstance {
  return Fastify({
    bodyLimit: limits.bodyBytes,
    requestTimeout: timeouts.requestMs,
    connectionTimeout: timeouts.idleMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    forceCloseConnections: 'idle',
    // The address that the nearest proxy saw: what stands before it in the header is what the client claims.
    trustProxy: trustProxy ? (_address, hop) => hop < 1 : false,
    ajv: { customOptions: VALIDATION },
    http: {
      headersTimeout: timeouts.headersMs,
      // How often the two timeouts above are looked at.
      connectionsCheckingInterval: Math.max(20, Math.min(timeouts.headersMs, timeouts.requestMs) / 10),
    },
    // Names of models are part of paths; the schema says how long they may be.
    routerOptions: { maxParamLength: MAX_NAME },
    genReqId: newRequestId,
    clientErrorHandler: answerConnectionError,
    frameworkErrors: (error, request, reply) => {
      tellRequestId(request, reply);
      const { status, body } = errorReply(error);
      // Its type knows no route, and so no body.
      void (reply as FastifyReply).code(status).send(body);
    },
    ...loggerOf(logger),
  });
}

/** Routes behind the API keys. */
async function apiRoutes(scope: FastifyInstance, context: ServerContext): Promise<void> {
  const { options } = context;
  const keys = new ApiKeys(options.apiKeys);
  scope.addHook('onRequest', (request, _reply, done) => {
    request.receivedAt = performance.now();
    const holder = keys.holder(request.headers.authorization);
    request.caller = holder === undefined ? ownerOf(request.ip) : `key ${holder}`;
    request.mayAsk = !keys.required || holder !== undefined;
    done();
  });
  if (options.rateLimit) await scope.register(rateLimit, rateLimitOf(options.rateLimit));
  // After the limit, so that nobody can try out keys at any rate; before anything of the body is read.
  scope.addHook('preParsing', async (request, reply) => {
    refuseCompressed(request.headers['content-encoding']);
    if (request.mayAsk) return;
    void reply.header('www-authenticate', 'Bearer');
    throw new RequestError(
      401,
      'invalid_api_key',
      'Expected a valid API key in the header Authorization: Bearer <key>',
    );
  });
  modelRoutes(scope, context);
  chatRoute(scope, context);
  visualTokensRoute(scope, context);
  attendRoute(scope, context);
  metricsRoute(scope, context.metrics);
  openApiRoute(scope);
}

/** A few compressed bytes can become many: bodies are taken as they are, or not. */
function refuseCompressed(coding: string | undefined): void {
  if (coding === undefined || coding === 'identity') return;
  throw new RequestError(415, 'unsupported_content_encoding', 'Expected a body without Content-Encoding');
}
