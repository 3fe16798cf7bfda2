import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify';
import { checkOptions, oneOf } from '../../calls/options';

/** Where and how much is logged: pino's JSON lines. */
export interface LogOptions {
  level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Default: standard output. */
  stream?: { write(line: string): void };
}

interface LoggedRequest {
  method: string;
  routeOptions?: { url?: string };
}

/**
 * What a line may hold: method, route, status and time. Bodies, headers and addresses asked for, with pictures, questions and keys in them,
 * are not given to the logger at all.
 */
const serializers = {
  req: ({ method, routeOptions }: LoggedRequest) => ({ method, route: routeOptions?.url ?? 'none' }),
  res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
};

const RULES = {
  level: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  stream: {
    what: 'an object with write()',
    accepts: (value: unknown) => typeof (value as LogOptions['stream'] | null)?.write === 'function',
  },
};

/**
 * @returns what to log by, if anything
 * @throws QAViTError ERR_ARGUMENT
 */
export function checkLogger(
  logger: FastifyBaseLogger | LogOptions | boolean | undefined,
): FastifyBaseLogger | LogOptions | undefined {
  if (typeof logger === 'boolean') return logger ? {} : undefined;
  if (logger === undefined || 'child' in logger) return logger;
  return checkOptions(logger, RULES, 'createServer logger');
}

export function loggerOf(logger: FastifyBaseLogger | LogOptions | undefined): Partial<FastifyServerOptions> {
  if (!logger) return { logger: false };
  if ('child' in logger) return { loggerInstance: logger };
  const { level = 'info', stream } = logger;
  return { logger: { level, serializers, ...(stream && { stream }) } };
}
