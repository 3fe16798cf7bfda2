import type { FastifyBaseLogger } from 'fastify';
import { boolean, checkOptions, either, integer, isPlainObject } from '../../calls/options';
import { expected } from '../../errors';
import type { BatcherOptions } from '../batcher';
import { isOrigin } from '../security/origins';
import { checkLogger, type LogOptions } from './logging';

/** What one request may cost. */
export interface RequestLimits {
  /** Of a request's body. Default 16 MiB. */
  bodyBytes?: number;
  /** Of an encoded picture. Default 10 MiB. */
  imageBytes?: number;
  /** Of a picture, decoded: width x height. Default 32 * 2^20. */
  pixels?: number;
  /** Of a question. Default 2000. */
  questionCharacters?: number;
  /** Of an answer whose request does not ask for less; more is refused. Default 512. */
  newTokens?: number;
}

export interface RateLimit {
  /** Requests that one client may send within the window. */
  max: number;
  /** Default 60,000. */
  windowMs?: number;
}

/** How long things may take, milliseconds. */
export interface Timeouts {
  /** A request's head, from its first byte. Default 10,000. */
  headersMs?: number;
  /** A whole request, head and body. Default 60,000. */
  requestMs?: number;
  /** A connection on which nothing moves, in either direction, and that waits for no work of ours. Default 120,000. */
  idleMs?: number;
  /**
   * Between two requests of one connection. Default 75,000: load balancers keep theirs for 60 s, and a request that meets a
   * connection which is being closed is lost.
   */
  keepAliveMs?: number;
  /** Running requests, once the server drains. Default 30,000. */
  drainMs?: number;
  /** A picture from elsewhere, redirects included. Default 10,000. */
  remoteImageMs?: number;
}

export interface ServerOptions {
  /** Keys of which clients must show one; none unless given: then anybody who reaches the port is let in. */
  apiKeys?: readonly string[];
  limits?: RequestLimits;
  /** Of each client: an API key, or an address where there are no keys. Default: no limit. */
  rateLimit?: RateLimit;
  /** Origins whose pages may call, as browsers name them: https://example.org. Default: none but the server's own. */
  corsOrigins?: readonly string[];
  /** Whether pictures may be named by https: URLs, which the server fetches. Default false. */
  remoteImages?: boolean;
  batching?: Omit<BatcherOptions, 'observer' | 'clock' | 'limits'>;
  timeouts?: Timeouts;
  /** Whether X-Forwarded-For is believed; only behind a proxy that sets it. Default false. */
  trustProxy?: boolean;
  /** Whether the page at / is served. Default true. */
  page?: boolean;
  /** How to log (true: from level info on), or a pino logger to log through. Default false: nothing is logged. */
  logger?: FastifyBaseLogger | LogOptions | boolean;
}

export interface ResolvedServerOptions extends Required<
  Omit<ServerOptions, 'rateLimit' | 'logger' | 'limits' | 'timeouts'>
> {
  readonly limits: Required<RequestLimits>;
  readonly timeouts: Required<Timeouts>;
  readonly rateLimit: Required<RateLimit> | undefined;
  readonly logger: FastifyBaseLogger | LogOptions | undefined;
}

const MIB = 2 ** 20;
const bytes = integer(1, 2 ** 40);
const milliseconds = integer(1, 2 ** 31 - 1);
const object = { what: 'an object', accepts: isPlainObject };
const strings = {
  what: 'an array of strings',
  accepts: (value: unknown) => Array.isArray(value) && value.every((one) => typeof one === 'string'),
};
const origins = {
  what: 'an array of origins such as https://example.org',
  accepts: (value: unknown) => Array.isArray(value) && value.every(isOrigin),
};

const RULES = {
  apiKeys: strings,
  limits: object,
  rateLimit: object,
  corsOrigins: origins,
  remoteImages: boolean,
  batching: object,
  timeouts: object,
  trustProxy: boolean,
  page: boolean,
  logger: either(boolean, object),
};
const LIMIT_RULES = {
  bodyBytes: bytes,
  imageBytes: bytes,
  pixels: integer(1, 2 ** 40),
  questionCharacters: integer(1, 2 ** 31),
  newTokens: integer(1, 2 ** 20),
};
const TIMEOUT_RULES = {
  headersMs: milliseconds,
  requestMs: milliseconds,
  idleMs: milliseconds,
  keepAliveMs: milliseconds,
  drainMs: milliseconds,
  remoteImageMs: milliseconds,
};

/** @throws QAViTError ERR_ARGUMENT */
export function checkServerOptions(options: ServerOptions | undefined): ResolvedServerOptions {
  const given = checkOptions(options, RULES, 'createServer');
  const limits = checkOptions(given.limits, LIMIT_RULES, 'createServer limits');
  const timeouts = checkOptions(given.timeouts, TIMEOUT_RULES, 'createServer timeouts');
  const { rateLimit } = given;
  if (rateLimit)
    checkOptions(rateLimit, { max: integer(1, 2 ** 31), windowMs: milliseconds }, 'createServer rateLimit');
  if (rateLimit && rateLimit.max === undefined)
    throw expected('ERR_ARGUMENT', 'max', 'createServer rateLimit', rateLimit);
  return {
    apiKeys: given.apiKeys ?? [],
    corsOrigins: given.corsOrigins ?? [],
    remoteImages: given.remoteImages ?? false,
    batching: given.batching ?? {},
    trustProxy: given.trustProxy ?? false,
    page: given.page ?? true,
    logger: checkLogger(given.logger),
    rateLimit: rateLimit && { windowMs: 60_000, ...rateLimit },
    limits: {
      bodyBytes: limits.bodyBytes ?? 16 * MIB,
      imageBytes: limits.imageBytes ?? 10 * MIB,
      pixels: limits.pixels ?? 32 * MIB,
      questionCharacters: limits.questionCharacters ?? 2000,
      newTokens: limits.newTokens ?? 512,
    },
    timeouts: {
      headersMs: timeouts.headersMs ?? 10_000,
      requestMs: timeouts.requestMs ?? 60_000,
      idleMs: timeouts.idleMs ?? 120_000,
      keepAliveMs: timeouts.keepAliveMs ?? 75_000,
      drainMs: timeouts.drainMs ?? 30_000,
      remoteImageMs: timeouts.remoteImageMs ?? 10_000,
    },
  };
}
