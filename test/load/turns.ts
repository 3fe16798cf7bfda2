import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { QAViT } from '../../lib';
import { createServer, type ServerOptions } from '../../lib/serve';
import { dataUrl, type Pair } from './world';

let copies = 0;

/** The same pixels in a file that no cache has seen: what stands behind a PNG's end is not read. */
export function fresh(pair: Pair): Pair {
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE((copies += 1));
  const picture = Buffer.concat([pair.picture, mark]);
  return { ...pair, picture, url: dataUrl(picture) };
}

export interface Cost {
  ms: number;
  /** CPU time of this process: what the machine's other work blurs least. */
  cpu: number;
}

export async function cost(work: () => Promise<unknown>): Promise<Cost> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const used = process.cpuUsage(cpu);
  return { ms: performance.now() - start, cpu: (used.user + used.system) / 1000 };
}

/** Opens a server in this process, on a free port of loopback. */
export async function withServer<T>(
  model: QAViT,
  options: ServerOptions,
  use: (url: string, app: FastifyInstance) => Promise<T>,
): Promise<T> {
  const app = await createServer({ demo: model }, options);
  await app.listen({ port: 0, host: '127.0.0.1' });
  try {
    return await use(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, app);
  } finally {
    await app.close();
  }
}
