/** Gives equal things equal numbers, in the order in which they first appear. */
export class Distinct<T> {
  readonly values: T[] = [];
  private readonly numbers = new Map<unknown, number>();

  /** @param identity what makes two values the same; the value itself unless given */
  add(value: T, identity: unknown = value): number {
    const known = this.numbers.get(identity);
    if (known !== undefined) return known;
    this.numbers.set(identity, this.values.length);
    return this.values.push(value) - 1;
  }
}

export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Consecutive runs of at most `size`. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  const all: T[][] = [];
  for (let start = 0; start < items.length; start += size) all.push(items.slice(start, start + size));
  return all;
}
