import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify';

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

export function loggerOf(logger: FastifyBaseLogger | LogOptions | undefined): Partial<FastifyServerOptions> {
  if (!logger) return { logger: false };
  if ('child' in logger) return { loggerInstance: logger };
  const { level = 'info', stream } = logger;
  return { logger: { level, serializers, ...(stream && { stream }) } };
}
