/**
 * A queue in which clients take turns: one that sends a hundred requests waits behind its own, not others behind it. What several clients
 * wait for comes when it is the turn of the first of them.
 */
export class FairQueue<T> {
  /** In the order of turns; no list is empty. */
  private readonly lists = new Map<string, T[]>();
  /** Whose lists an item is in. */
  private readonly clients = new Map<T, Set<string>>();

  get size(): number {
    return this.clients.size;
  }

  /** How many items wait for each client. */
  get counts(): [client: string, count: number][] {
    return [...this.lists].map(([client, { length }]) => [client, length]);
  }

  /** How many items wait for a client. */
  waiting(client: string): number {
    return this.lists.get(client)?.length ?? 0;
  }

  /** The item of a client that came last. */
  newest(client: string): T | undefined {
    return this.lists.get(client)?.at(-1);
  }

  /** Pushing it again for the same client does nothing. */
  push(client: string, item: T): void {
    const clients = this.clients.get(item) ?? new Set();
    if (clients.has(client)) return;
    this.clients.set(item, clients.add(client));
    const list = this.lists.get(client);
    if (list) list.push(item);
    else this.lists.set(client, [item]);
  }

  /** The oldest item of the client whose turn it is. */
  shift(): T | undefined {
    const [turn] = this.lists;
    if (!turn) return undefined;
    const [client, list] = turn;
    const item = list[0] as T;
    for (const one of this.clients.get(item) ?? []) this.remove(one, item);
    // A Map keeps the order of insertion: its next turn comes after everybody else's.
    if (this.lists.delete(client)) this.lists.set(client, list);
    return item;
  }

  /** @returns whether it waited here for this client */
  remove(client: string, item: T): boolean {
    const list = this.lists.get(client);
    const clients = this.clients.get(item);
    if (!list || !clients?.delete(client)) return false;
    list.splice(list.indexOf(item), 1);
    if (list.length === 0) this.lists.delete(client);
    if (clients.size === 0) this.clients.delete(item);
    return true;
  }
}
