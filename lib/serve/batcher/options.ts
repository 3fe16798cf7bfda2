import { anything, checkOptions, integer, number } from '../../calls/options';
import type { ImageLimits } from '../../image';
import { resolveLimits } from '../../image/limits';
import { systemClock } from './clock';
import type { BatcherOptions } from './types';

export type ResolvedOptions = Required<Omit<BatcherOptions, 'limits' | 'maxAnswers'>> & {
  readonly limits: Required<ImageLimits>;
  readonly maxAnswers: number | undefined;
};

const MIB = 2 ** 20;
const RULES = {
  maxBatch: integer(1, 4096),
  delayMs: number(0, 60_000),
  maxPending: integer(1, 2 ** 31),
  maxAnswers: integer(1, 4096),
  imageCacheBytes: integer(0, 2 ** 50),
  questionCacheBytes: integer(0, 2 ** 50),
  limits: anything,
  observer: anything,
  clock: anything,
};

/** @throws QAViTError ERR_ARGUMENT */
export function checkBatcherOptions(options: BatcherOptions | undefined): ResolvedOptions {
  const given = checkOptions(options, RULES, 'Batcher');
  const {
    maxBatch = 32,
    delayMs = 0,
    maxPending = 256,
    maxAnswers,
    imageCacheBytes = 256 * MIB,
    questionCacheBytes = 32 * MIB,
    observer = {},
    clock = systemClock,
  } = given;
  const limits = resolveLimits(given.limits, 'limits of Batcher');
  return {
    maxBatch,
    delayMs,
    maxPending,
    maxAnswers,
    imageCacheBytes,
    questionCacheBytes,
    limits,
    observer,
    clock,
  };
}
