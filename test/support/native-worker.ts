/** What test/native/workers.test.ts runs in worker threads and child processes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceTensor } from '../../lib/binding/native';
import { slowElements, slowPlan } from './slow-plan';

export interface WorkerTask {
  kind: 'cpu' | 'reference';
  /**
   * finish: run a plan, close, end. forget: run a plan and end with everything open. busy: say 'running' with work of every kind under
   * way, and go on. leave: the same, then process.exit(). throw: the same, then an uncaught exception.
   */
  task: 'finish' | 'forget' | 'busy' | 'leave' | 'throw';
}

async function finish(device: Device): Promise<void> {
  const plan = await slowPlan(device, 3);
  const [y] = (await device.run(plan, [new Float32Array(slowElements).fill(1)])) as [Float32Array];
  parentPort?.postMessage({ length: y.length, sum: y.reduce((a, b) => a + b) });
}

/** Keeps one job of each kind queued or running, for ever. */
async function keepBusy(device: Device): Promise<void> {
  const plan = await slowPlan(device);
  const input = new Float32Array(slowElements);
  const [kept] = await device.run(await slowPlan(device, 1), [input], { results: ['tensor'] });
  const pixels = new Uint8Array(1000 * 1000 * 3);
  const shape: [number, number, number] = [1, 1024, 1024];
  const matrix = {
    source: new Float32Array(1 << 20),
    dtype: 'f32',
    shape,
    role: 'matrix',
    computeDtype: 'f32',
  } as const;
  const kinds: (() => Promise<unknown>)[] = [
    () => device.run(plan, [kept as DeviceTensor], { results: ['tensor'] }),
    () => device.run(plan, [input]),
    () => device.upload([matrix]),
    () => device.read(kept as DeviceTensor),
    () => loadAddon().resample({ pixels, width: 1000, height: 1000, toWidth: 800, toHeight: 800, filter: 'lanczos' }),
  ];
  const forEver = async (work: () => Promise<unknown>): Promise<void> => {
    for (;;) await work();
  };
  for (const work of kinds) void forEver(work);
}

async function main({ kind, task }: WorkerTask): Promise<void> {
  const device = new (loadAddon().Device)({ kind, ...(kind === 'cpu' && { threads: 2 }) });
  if (task === 'finish') {
    await finish(device);
    await device.close();
  } else if (task === 'forget') {
    await finish(device);
  } else {
    await keepBusy(device);
    await sleep(5);
    parentPort?.postMessage('running');
    if (task === 'busy') return;
    await sleep(50);
    if (task === 'leave') process.exit(0);
    throw new Error('on purpose');
  }
}

void main(isMainThread ? (JSON.parse(process.argv[2]!) as WorkerTask) : (workerData as WorkerTask));
