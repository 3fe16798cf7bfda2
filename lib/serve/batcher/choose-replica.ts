import type { Replica } from './replica';

/**
 * Where a picture goes: to a replica that has looked at it, unless that has so much more to do that another is done sooner, else to the
 * one with the least to do. One whose device has just failed comes last: failing fast would make it look idle.
 */
export function chooseReplica(replicas: readonly Replica[], picture: string, maxBatch: number): Replica {
  const awake = replicas.filter(({ resting }) => !resting);
  const [least, ...others] = awake.length > 0 ? awake : replicas;
  if (!least) throw new RangeError('no replica');
  const idlest = others.reduce((best, one) => (one.load < best.load ? one : best), least);
  const knowing = [least, ...others].filter(({ pictures }) => pictures.has(picture));
  return knowing.find(({ load }) => load <= idlest.load + maxBatch) ?? idlest;
}
