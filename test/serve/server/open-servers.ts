import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { QAViT } from '../../../lib';
import { createServer, type ServerOptions } from '../../../lib/serve';
import type { FakeModel } from '../batcher/fake-model';
import { dataUrl } from './requests';

export const QUESTION = 'what digit is on the red square?';
/** A body for visual tokens and maps. */
export const asked = { model: 'demo', image: dataUrl('digits'), question: QUESTION };
/** A body for an answer. */
export const chat = {
  model: 'demo',
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: QUESTION },
        { type: 'image_url', image_url: { url: dataUrl('digits') } },
      ],
    },
  ],
};

/** Opens servers of one model, and closes them after each test. */
export function serversForTests() {
  const apps: FastifyInstance[] = [];
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });
  return async (model: FakeModel | QAViT, options?: ServerOptions): Promise<FastifyInstance> => {
    const app = await createServer({ demo: model }, options);
    apps.push(app);
    return app;
  };
}

/** Lets a server listen on a free port of loopback. */
export async function listen(app: FastifyInstance): Promise<{ url: string; port: number }> {
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port };
}

/** Waits for what other work of this process brings about. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}
