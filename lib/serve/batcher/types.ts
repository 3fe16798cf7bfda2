/** The public types of the Batcher. */
import type { ImageLimits } from '../../image';
import type { AnswerEnd } from '../../llm/language-model';
import type { AskOptions, AttentionMaps, EncodeOptions, VisualTokens } from '../../qavit/types';
import type { Clock } from './clock';

export interface BatcherOptions {
  /** Pairs that are computed together at most. Default 32. */
  maxBatch?: number;
  /**
   * How long a pair may wait for others while the device is free, milliseconds. Default 0: an idle device begins at once, and what comes
   * while it works makes the next batch.
   */
  delayMs?: number;
  /** Requests that may be under way, waiting ones included; one more is ERR_BUSY. Default 256. */
  maxPending?: number;
  /** Answers that a replica's language model writes at a time. Default: as many as it writes together, or 4 where it does not. */
  maxAnswers?: number;
  /** Device memory of each replica for looked-at pictures that may be asked about again, bytes. Default 256 MiB; 0 keeps none. */
  imageCacheBytes?: number;
  /** Memory of each replica for features of questions, bytes. Default 32 MiB; 0 keeps none. */
  questionCacheBytes?: number;
  /** What one picture may cost. */
  limits?: ImageLimits;
  /** Told what happens, for metrics. */
  observer?: BatcherObserver;
  clock?: Clock;
}

/** It must not throw. */
export interface BatcherObserver {
  batch?(size: number): void;
  /** How long a stage took, milliseconds; of a stage that a batch shares, once a batch. */
  stage?(name: Stage, ms: number): void;
  cache?(which: 'image' | 'question', hit: boolean): void;
  refused?(): void;
}

export type Stage = 'queue' | 'decode' | 'listen' | 'look' | 'encode' | 'attend' | 'first_token' | 'answer';

export interface RequestOptions {
  signal?: AbortSignal;
  /** Who asks: clients take turns. Requests without one are one client's. */
  client?: string;
}

export type BatchEncodeOptions = EncodeOptions & RequestOptions;

export type BatchAskOptions = Omit<AskOptions, 'signal'> & RequestOptions;

/** Milliseconds; what a cache made unnecessary is absent. */
export interface Timings {
  /** Until the work began, and from there for a place in a batch. */
  queued: number;
  /** The picture's bytes to the tower's pixels. */
  decode?: number;
  /** The question's words to features. */
  listen?: number;
  /** The layers below the first fused one, for the whole batch. */
  look?: number;
  /** The fused layers, or all that are left, for the whole batch. */
  encode?: number;
  /** The maps of `attend`. */
  attend?: number;
  /** From the visual tokens to the answer's first piece, waiting for the language model included. */
  firstToken?: number;
  total: number;
}

/** Whether a cache knew the picture or the question. */
export interface Cached {
  image: boolean;
  question: boolean;
}

export interface Told {
  timings: Timings;
  cached: Cached;
}

/** How an answer went; what the language model's runtime does not tell is absent. */
export type AnswerTold = Told & Partial<AnswerEnd>;

export interface EncodeReply extends Told {
  tokens: VisualTokens;
}

export interface AttendReply extends Told {
  maps: AttentionMaps;
}

/** What the Batcher holds right now. */
export interface BatcherState {
  /** Requests under way. */
  pending: number;
  /** Pieces of work that have not begun, and answers that wait for the language model. */
  queued: number;
  /** Answers that wait for the language model. */
  answersWaiting: number;
  /** Answers that the language model writes. */
  answersRunning: number;
  imageCacheBytes: number;
  questionCacheBytes: number;
}
