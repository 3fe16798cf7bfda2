import type { RateLimitPluginOptions } from '@fastify/rate-limit';
import { RequestError } from '../request-error';
import type { RateLimit } from './options';

/** So many requests of each client within a window; beyond it 429, with Retry-After. */
export function rateLimitOf({ max, windowMs }: Required<RateLimit>): RateLimitPluginOptions {
  return {
    max,
    timeWindow: windowMs,
    keyGenerator: ({ caller }) => caller,
    errorResponseBuilder: () =>
      new RequestError(429, 'rate_limit_exceeded', `Expected at most ${max} requests in ${windowMs / 1000} s`),
  };
}
