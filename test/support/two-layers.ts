/**
 * Program that scripts/sanitize-cuda.js runs under compute-sanitizer: a tower of two layers, one of them fused, in every dtype, with
 * plain launches, recording and replaying, ragged questions and several samples. `two-layers.js SECONDS` ends by itself after so long,
 * whatever hangs: whoever watches it can then still say what was seen.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { emulated, openCuda } from './cuda';
import { encodeBatch, openEngine } from './cuda-engine';
import { features, noise } from './pictures';
import { writeRandomModel } from './random-model';

// Wide enough on a GPU for every kernel that a real tower meets; the emulation would take minutes for that.
const SIZE = emulated
  ? { width: 128, heads: 2, mlp: 256, patch: 14, image: 42, questionWidth: 64 }
  : { width: 512, heads: 8, mlp: 2048, patch: 14, image: 168, questionWidth: 256 };

async function main(folder: string): Promise<void> {
  const folders = writeRandomModel(folder, { ...SIZE, layers: 2 });
  const batches = [1, 3];
  const pictures = (batch: number): Uint8Array =>
    Uint8Array.from(Array.from({ length: batch }, (_, i) => [...noise(SIZE.image, i + 1).data]).flat());
  for (const graphs of [false, true]) {
    const device = openCuda({ graphs });
    for (const dtype of ['bf16', 'f16', 'f32'] as const) {
      using opened = await openEngine(folders, device, dtype);
      for (const batch of batches) {
        const questions = Array.from({ length: batch }, (_, i) => features(1 + 9 * i, SIZE.questionWidth, i));
        // Launched, recorded, replayed.
        for (let run = 0; run < 3; run += 1) await encodeBatch(opened.engine, pictures(batch), questions);
        await encodeBatch(opened.engine, pictures(batch), null);
      }
      console.log(`graphs ${graphs ? 'on' : 'off'}, ${dtype}: done`);
    }
    const { launched, replayed } = device.statistics!;
    console.log(`graphs ${graphs ? 'on' : 'off'}: ${launched} plans launched, ${replayed} replayed`);
    await device.close();
  }
}

const seconds = Number(process.argv[2] ?? 0);
if (seconds > 0) {
  // Not process.exit(): that waits for the device's thread, which may be what hangs.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), seconds * 1e3).unref();
}
const folder = mkdtempSync(path.join(tmpdir(), 'qavit-two-layers-'));
void main(folder).finally(() => rmSync(folder, { recursive: true, force: true }));
