import type { DeviceTensor } from '../binding/native';
import type { Engine } from './engine';
import { chunks } from './grouping';
import { LookedPicture } from './pictures';
import { joined, samplesPerRun } from './runs';
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
    for (const run of chunks(pictures, samplesPerRun(engine))) all.push(...(await lookTogether(engine, run, signal)));
    if (views === 'all') for (const looked of all) await lookAtTiles(looked, signal);
    return all;
  } catch (error) {
    for (const looked of all) looked.dispose();
    throw error;
  }
}

async function lookTogether(engine: Engine, run: readonly Picture[], signal: AbortSignal): Promise<LookedPicture[]> {
  const stream = await engine.look(joined(run), run.length, signal);
  if (run.length === 1) return run.map((picture) => new LookedPicture(engine, picture, stream));
  try {
    const parts: DeviceTensor[] = await engine.split(stream, signal);
    return parts.map((part, i) => new LookedPicture(engine, run[i]!, part));
  } finally {
    stream.dispose();
  }
}

async function lookAtTiles(looked: LookedPicture, signal: AbortSignal): Promise<void> {
  const { engine, picture } = looked;
  for (const run of chunks(tilesOf(picture), samplesPerRun(engine))) {
    looked.addTiles(await engine.look(joined(run), run.length, signal));
  }
}
