import type { Replica } from './replica';

/**
 * Where a picture goes: to the idlest replica that has looked at it, unless that has so much more to do that another is done sooner, else to the
 * one with the least to do. One whose device has just failed comes last: failing fast would make it look idle.
 */
export function chooseReplica(replicas: readonly Replica[], picture: string, maxBatch: number): Replica {
  const awake = replicas.filter(({ resting }) => !resting);
  const able = awake.length > 0 ? awake : replicas;
  const idlest = idlestOf(able);
  if (!idlest) throw new RangeError('no replica');
  const known = idlestOf(able.filter(({ pictures }) => pictures.has(picture)));
  return known && known.load <= idlest.load + maxBatch ? known : idlest;
}

function idlestOf([first, ...others]: readonly Replica[]): Replica | undefined {
  return others.reduce((best, one) => (best && one.load < best.load ? one : best), first);
}
