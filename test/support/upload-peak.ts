/**
 * Prints how far packing a file's matrices raises this process's resident memory at most, in bytes: path, count, side. Sampled, since
 * the system's own peak is inherited from the parent process.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { loadAddon } from '../../lib/binding/load';

async function main([path, count, side]: string[]): Promise<void> {
  const { Device, MappedFile } = loadAddon();
  const device = new Device({ kind: 'cpu', threads: 2 });
  const [matrices, width] = [Number(count), Number(side)];
  const file = new MappedFile(path!);
  const item = (i: number, side = width) => ({
    source: [{ file, offset: i * width * width * 4, elements: side * side, name: `matrix ${i}` }],
    dtype: 'f32' as const,
    shape: [1, side, side] as [number, number, number],
    role: 'matrix' as const,
    computeDtype: 'bf16' as const,
  });
  await device.upload([item(0, 8)]); // the threads' own memory
  const before = process.memoryUsage.rss();
  let peak = before;
  let packed = false;
  const packing = device.upload(Array.from({ length: matrices }, (_, i) => item(i))).finally(() => (packed = true));
  while (!packed) {
    await turn();
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  const weights = await packing;
  console.log(peak - before);
  if (weights.length !== matrices) process.exitCode = 1;
  await device.close();
}

void main(process.argv.slice(2));
