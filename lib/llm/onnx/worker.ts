/**
 * The worker process: runs one language model for the process that forked it (worker-process.ts), and ends with it.
 *
 * Tasks take turns by themselves: ONNX Runtime computes one step per turn of the event loop, so that answers under way advance a token
 * each in every round, and a cancellation is seen between two tokens.
 */
import { QAViTError } from '../../errors';
import { Engine } from './engine';
import type { Reply, Request, Result, Task } from './protocol';

/** Tasks whose results somebody waits for. */
const wanted = new Set<number>();
let engine: Engine | undefined;

process.on('message', ({ id, task }: Request) => {
  if (task.kind === 'cancel') wanted.delete(id);
  else void answer(id, task);
});

// Nothing is left to do once nobody listens.
process.on('disconnect', () => process.exit());

// A terminal sends Ctrl-C to the whole group, a service manager SIGTERM: when to stop is the parent's decision.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

async function answer(id: number, task: Task): Promise<void> {
  wanted.add(id);
  try {
    send(id, { kind: 'result', result: await work(id, task) });
  } catch (error) {
    send(id, failure(error));
  } finally {
    wanted.delete(id);
  }
}

async function work(id: number, task: Task): Promise<Result> {
  if (task.kind === 'load') {
    engine = await Engine.load(task.dir, task.threads, task.dtype);
    return engine.info;
  }
  if (!engine) throw new Error('not loaded');
  if (task.kind === 'encode') return engine.encodeQuestion(task.question, task.features);
  const pieces = engine.generate(task.tokens, task.settings);
  for (;;) {
    const { done, value } = await pieces.next();
    if (done) return value;
    if (!wanted.has(id)) return null;
    if (value) send(id, { kind: 'piece', text: value });
  }
}

function failure(error: unknown): Reply {
  if (error instanceof QAViTError) return { kind: 'failure', code: error.code, message: error.message };
  const message = `Expected to finish for the language model but received "${String(error)}"`;
  return { kind: 'failure', code: 'ERR_DEVICE', message };
}

function send(id: number, reply: Reply): void {
  // Without a callback a failure would be thrown; it means that the parent is gone.
  process.send?.({ id, reply }, undefined, undefined, (error) => {
    if (error) process.exit();
  });
}
