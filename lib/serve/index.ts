export { createServer } from './server/create-server';
export type { LogOptions } from './server/logging';
export type { RateLimit, RequestLimits, ServerOptions, Timeouts } from './server/options';
export type { ServedModels } from './server/served-model';
export * from './batcher';
