import type { Cached, Timings } from '../batcher';

/** `qavit` in answers: where the time went, milliseconds, and what was known already. */
export interface ToldJson {
  timings: {
    queued_ms: number;
    decode_ms?: number;
    listen_ms?: number;
    look_ms?: number;
    encode_ms?: number;
    attend_ms?: number;
    first_token_ms?: number;
    total_ms: number;
  };
  cached: Cached;
}

/** @param totalMs since the request came in */
export function toldJson({ timings, cached }: { timings: Timings; cached: Cached }, totalMs: number): ToldJson {
  const { queued, decode, listen, look, encode, attend, firstToken } = timings;
  const optional = { decode_ms: decode, listen_ms: listen, look_ms: look, encode_ms: encode, attend_ms: attend };
  const known = Object.entries({ ...optional, first_token_ms: firstToken })
    .filter((entry): entry is [string, number] => entry[1] !== undefined)
    .map(([name, ms]) => [name, round(ms)]);
  return {
    timings: {
      queued_ms: round(queued),
      ...(Object.fromEntries(known) as Partial<ToldJson['timings']>),
      total_ms: round(totalMs),
    },
    cached,
  };
}

/** To a microsecond. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
