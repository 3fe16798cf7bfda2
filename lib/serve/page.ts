import type { FastifyInstance } from 'fastify';

/** Where the page at `/` and its files below `/page/` are registered; they need no API key. */
export function registerPage(_app: FastifyInstance): void {}
