/** A queue in which clients take turns: one that sends a hundred requests waits behind its own, not others behind it. */
export class FairQueue<T> {
  /** In the order of turns; no list is empty. */
  private readonly lists = new Map<string, T[]>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** How many items of a client wait. */
  waiting(client: string): number {
    return this.lists.get(client)?.length ?? 0;
  }

  push(client: string, item: T): void {
    const list = this.lists.get(client);
    if (list) list.push(item);
    else this.lists.set(client, [item]);
    this.count += 1;
  }

  /** The oldest item of the client whose turn it is. */
  shift(): T | undefined {
    const [turn] = this.lists;
    if (!turn) return undefined;
    const [client, list] = turn;
    const item = list.shift();
    this.lists.delete(client);
    // A Map keeps the order of insertion: its next turn comes after everybody else's.
    if (list.length > 0) this.lists.set(client, list);
    this.count -= 1;
    return item;
  }

  /** @returns whether it waited here */
  remove(client: string, item: T): boolean {
    const list = this.lists.get(client);
    const at = list?.indexOf(item) ?? -1;
    if (!list || at < 0) return false;
    this.take(client, list, at);
    return true;
  }

  /** Takes out the newest item of the client that has most waiting, if those are more than `than`. */
  popLongest(than: number): T | undefined {
    let longest: [client: string, list: T[]] | undefined;
    for (const entry of this.lists) {
      if (entry[1].length > (longest?.[1].length ?? than)) longest = entry;
    }
    return longest && this.take(longest[0], longest[1], longest[1].length - 1);
  }

  private take(client: string, list: T[], at: number): T | undefined {
    const [item] = list.splice(at, 1);
    if (list.length === 0) this.lists.delete(client);
    this.count -= 1;
    return item;
  }
}
