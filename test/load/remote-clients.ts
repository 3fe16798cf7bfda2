import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Client } from './client';
import { inParallel } from './faults';
import { dataUrl, type Pair } from './world';

interface Order {
  url: string;
  clients: number;
  pairs: readonly Pair[];
}

export interface Report {
  /** CPU time of the clients, milliseconds. */
  cpu: number;
  /** Requests that were not answered with 200. */
  failed: number;
}

/** Clients in a process of their own, so that what they take is told apart from what the server takes. */
export class RemoteClients implements AsyncDisposable {
  private readonly child: ChildProcess = fork(__filename, [], { serialization: 'advanced', execArgv: [] });
  private readonly ended: Promise<never>;

  constructor(
    private readonly url: string,
    private readonly clients: number,
  ) {
    this.ended = once(this.child, 'exit').then(([code]) => Promise.reject(new Error(`the clients ended with ${code}`)));
    this.ended.catch(() => undefined);
  }

  /** Hands over what to ask next, in turns of all clients. */
  async prepare(pairs: readonly Pair[]): Promise<void> {
    const order: Order = { url: this.url, clients: this.clients, pairs };
    await this.tell(order);
  }

  /** Asks it. */
  async ask(): Promise<Report> {
    return (await this.tell('ask')) as Report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.disconnect();
    await this.ended.catch(() => undefined);
  }

  private async tell(what: Order | 'ask'): Promise<unknown> {
    const reply = once(this.child, 'message');
    this.child.send(what);
    return ((await Promise.race([reply, this.ended])) as [unknown])[0];
  }
}

/** What runs in the process: prepares what it is told to ask, and asks it when told so. */
function serveParent(send: (message: unknown) => void): void {
  let ask = (): Promise<Report> => Promise.reject(new Error('nothing to ask'));
  const clients = new Map<string, Client>();
  process.on('message', (order: Order | 'ask') => {
    if (order === 'ask') return void ask().then(send);
    const client = clients.get(order.url) ?? new Client(order.url);
    clients.set(order.url, client);
    const pairs = order.pairs.map((pair) => ({ ...pair, url: dataUrl(Buffer.from(pair.picture)) }));
    ask = async () => {
      const start = process.cpuUsage();
      let failed = 0;
      await inParallel(pairs.length, order.clients, async (i) => {
        const { status } = await client.ask(pairs[i]!, 'tokens');
        if (status !== 200) failed += 1;
      });
      const { user, system } = process.cpuUsage(start);
      return { cpu: (user + system) / 1000, failed };
    };
    send('ready');
  });
  process.on('disconnect', () => clients.forEach((client) => client.close()));
}

if (require.main === module) serveParent((message) => process.send?.(message));
