import type { DeviceTensor } from '../binding/native';
import type { Engine } from './engine';
import { chunks, groupBy } from './grouping';
import { LookedPicture } from './pictures';
import { joined, samplesPerRun } from './runs';
import { keyOf } from './sizes';
import type { Picture } from './types';
import { tilesOf } from './views';

/**
 * Runs prepared pictures, and their tiles, through the layers that do not depend on the question.
 *
 * @param views `whole` leaves the tiles out, for what is done with the whole alone
 * @returns one a picture, each with memory of its own, the caller's to dispose
 */
export async function lookAt(
  engine: Engine,
  pictures: readonly Picture[],
  signal: AbortSignal,
  views: 'all' | 'whole' = 'all',
): Promise<LookedPicture[]> {
  const all: LookedPicture[] = [];
  try {
    for (const numbers of groupBy([...pictures.keys()], (i) => keyOf(pictures[i]!)).values()) {
      for (const run of chunks(numbers, samplesPerRun(engine, pictures[numbers[0]!]))) {
        const together = run.map((i) => pictures[i]!);
        (await lookTogether(engine, together, signal)).forEach((looked, i) => (all[run[i]!] = looked));
      }
    }
    if (views === 'all') for (const looked of all) await lookAtTiles(looked, signal);
    return all;
  } catch (error) {
    // Of those that were not looked at yet there is a hole, which this passes over.
    all.forEach((looked) => looked.dispose());
    throw error;
  }
}

/** @param run pictures of one size */
async function lookTogether(engine: Engine, run: readonly Picture[], signal: AbortSignal): Promise<LookedPicture[]> {
  const [size] = run;
  const stream = await engine.look(joined(run), run.length, signal, size);
  if (run.length === 1) return run.map((picture) => new LookedPicture(engine, picture, stream));
  try {
    const parts: DeviceTensor[] = await engine.split(stream, signal, size);
    return parts.map((part, i) => new LookedPicture(engine, run[i]!, part));
  } finally {
    stream.dispose();
  }
}

async function lookAtTiles(looked: LookedPicture, signal: AbortSignal): Promise<void> {
  const { engine, picture, size } = looked;
  for (const run of chunks(tilesOf(picture), samplesPerRun(engine, size))) {
    looked.addTiles(await engine.look(joined(run), run.length, signal, size));
  }
}
