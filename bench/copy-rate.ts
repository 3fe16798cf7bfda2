/**
 * The ceiling of what memory limits: how fast `threads` threads together copy `bytes` (half read, half written), each its own part
 * again and again, so that the copies lie in the same caches as a kernel's operands of that size.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

interface Part {
  bytes: number;
  milliseconds: number;
}

/** Long enough for clocks and caches to settle. */
const MILLISECONDS = 150;

/** GB/s, best of all pieces of a tenth of the time: what else runs can only make a copy slower. */
function copyPart({ bytes, milliseconds }: Part): number {
  const [from, to] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes)];
  let best = 0;
  for (const end = performance.now() + milliseconds; performance.now() < end;) {
    const start = performance.now();
    let copies = 0;
    for (; performance.now() - start < milliseconds / 10; copies += 1) to.set(from);
    best = Math.max(best, (2 * bytes * copies) / (performance.now() - start) / 1e6);
  }
  return best;
}

/** GB/s of all threads. */
export async function copyRate(bytes: number, threads: number): Promise<number> {
  const part: Part = { bytes: Math.ceil(bytes / 2 / threads), milliseconds: MILLISECONDS };
  const rates = Array.from({ length: threads }, async () => {
    const worker = new Worker(__filename, { workerData: part });
    return new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  });
  return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
}

if (!isMainThread && parentPort) parentPort.postMessage(copyPart(workerData as Part));
