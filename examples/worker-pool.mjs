// A pool of worker threads, each with a model of its own. One model already computes off the event loop and on all cores; a pool is for what
// one model does not give: preprocessing of many pictures in parallel, a model a device (pass { device: `cuda:${n}` }), or models of customers
// kept apart.
//
//   node examples/worker-pool.mjs "what digit is on the red square?" models/demo/samples/*.png
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { QAViT } from 'qavit';

const WORKERS = 2;

async function answerTo(model, { image, question }) {
  try {
    let answer = '';
    for await (const text of model.ask(image, question)) answer += text;
    return { answer: answer.trim() };
  } catch (error) {
    return { error: error.message };
  }
}

/** In a worker: one job at a time, until null says that there are no more. */
async function work() {
  const model = await QAViT.load('demo', workerData);
  parentPort.on('message', async (job) => {
    if (job) return parentPort.postMessage(await answerTo(model, job));
    await model.close();
    return parentPort.close();
  });
}

/** In the main thread: hands each job to the next worker that is free. Results are in order. */
async function runAll(jobs) {
  // The cores are shared out, or the pools of the models would stand in each other's way.
  const threads = Math.max(1, Math.floor(availableParallelism() / WORKERS));
  const workers = Array.from({ length: WORKERS }, () => {
    return new Worker(fileURLToPath(import.meta.url), { workerData: { threads } });
  });
  const results = [];
  let next = 0;
  try {
    const busy = workers.map(async (worker) => {
      while (next < jobs.length) {
        const job = next++;
        worker.postMessage(jobs[job]);
        // A worker that dies rejects this with its error.
        [results[job]] = await once(worker, 'message');
      }
    });
    await Promise.all(busy);
    const exits = workers.map((worker) => once(worker, 'exit'));
    for (const worker of workers) worker.postMessage(null);
    await Promise.all(exits);
  } finally {
    // After an error some are still at work.
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results;
}

if (isMainThread) {
  const [question, ...images] = process.argv.slice(2);
  if (images.length === 0) {
    console.error('usage: node examples/worker-pool.mjs <question> <image...>');
    process.exit(2);
  }
  const results = await runAll(images.map((image) => ({ image, question })));
  results.forEach(({ answer, error }, i) => console.log(`${images[i]}\t${error ?? answer}`));
  if (results.some(({ error }) => error)) process.exitCode = 1;
} else {
  await work();
}
