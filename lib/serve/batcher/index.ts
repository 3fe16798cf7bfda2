export { Batcher } from './batcher';
export type { Clock } from './clock';
export type { BatchModel } from './model';
export type { BatchImage } from './sources';
export type {
  AnswerTold,
  AttendReply,
  BatchAskOptions,
  BatchEncodeOptions,
  Cached,
  BatcherObserver,
  BatcherOptions,
  BatcherState,
  EncodeReply,
  RequestOptions,
  Stage,
  Timings,
} from './types';
