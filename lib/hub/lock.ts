/**
 * One process at a time, over a file that exists while somebody works. Node has no flock; a holder that dies leaves its file, so a
 * holder touches it regularly, and who has seen it untouched for several beats takes it away.
 *
 * Two may hold it after all: a process that was stopped for longer than that, or two that give up waiting in the same instant. So
 * nothing may depend on it but work being done twice; downloads are checked and published in a way that bears it.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Missed beats after which a holder counts as dead. */
const MISSED_BEATS = 6;

export interface LockOptions {
  readonly beatMs: number;
  readonly signal?: AbortSignal;
  /** Called once, where somebody else holds it. */
  readonly onWait?: () => void;
}

/** Runs `work` while holding the lock. */
export async function withLock<T>(file: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  const mine = await acquire(file, options);
  const beat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, options.beatMs);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if ((await identity(file)) === mine) await rm(file, { force: true });
  }
}

/** @returns the identity of the file that was made */
async function acquire(file: string, { beatMs, signal, onWait }: LockOptions): Promise<number> {
  let last = '';
  let since = 0;
  for (let round = 0; ; round++) {
    const made = await make(file);
    if (made !== undefined) return made;
    if (round === 0) onWait?.();
    const found = await stat(file).catch(() => undefined);
    const seen = found ? `${found.ino} ${found.mtimeMs}` : '';
    // What is compared is what this process saw at different times: clocks of file servers may differ from ours.
    if (seen !== last) [last, since] = [seen, performance.now()];
    else if (found && performance.now() - since > MISSED_BEATS * beatMs) await takeAway(file, found.ino);
    await sleep(beatMs / 4, undefined, { signal });
  }
}

async function make(file: string): Promise<number | undefined> {
  try {
    const handle = await open(file, 'wx');
    const { ino } = await handle.stat();
    await handle.close();
    return ino;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
}

/** Renames before removing: of several that try only one gets the file, and sees whether it is the dead one's. */
async function takeAway(file: string, dead: number): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
    if ((await identity(aside)) === dead) await rm(aside, { force: true });
    else await rename(aside, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function identity(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.ino;
}
