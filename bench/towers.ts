/**
 * Whole plain towers at batch 1, qavit against eager PyTorch, in one run: two resident processes that take turns (A B A B ...), so
 * that drift of a shared machine hits both alike. Needs Python with torch and transformers (set PYTHON to choose one).
 *
 *     node dist/bench/towers.js --tower vit-l-14-336 --dtype bf16 --rounds 7 [--threads 2] [--json out.json]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { QAViT } from '../lib';
import { quantile, spreadOf } from './support/quantiles';
import { Resident } from './support/resident';

const root = join(__dirname, '../..');
const python = process.env.PYTHON ?? 'python3';
const peer = join(root, 'training/peers/towers.py');

interface Answer {
  ms: number[];
  peakBytes: number;
}

/** The qavit contestant's own process. */
async function serve(directory: string, dtype: 'f32' | 'bf16', threads: number): Promise<void> {
  const model = await QAViT.load({ tower: directory }, { device: 'cpu', dtype, threads });
  const edge = Math.round(Math.sqrt(model.info.M)) * model.info.patch;
  const data = new Uint8Array(edge * edge * 3).map((_, i) => (i * 2654435761) >>> 24);
  console.log(JSON.stringify({ ready: true }));
  for await (const line of createInterface({ input: process.stdin })) {
    const count = Number(line.split(' ')[1]);
    const ms: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await model.encode({ data, width: edge, height: edge, channels: 3 }, null, { output: 'tower' });
      ms.push(performance.now() - start);
    }
    console.log(JSON.stringify({ ms, peakBytes: process.resourceUsage().maxRSS * 1024 }));
  }
  await model.close();
}

async function compare(tower: string, dtype: 'f32' | 'bf16', threads: number, rounds: number, json?: string) {
  const directory = mkdtempSync(join(tmpdir(), 'qavit-bench-'));
  try {
    const made = spawnSync(python, [peer, 'make', directory, tower], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (made.status !== 0)
      throw new Error(`${python} could not make the tower; set PYTHON to one with torch and transformers`);
    const serving = ['--serve', directory, '--dtype', dtype, '--threads', String(threads)];
    const own = new Resident('qavit', process.execPath, [__filename, ...serving]);
    await own.answer();
    const torch = new Resident('pytorch', python, [peer, 'serve', directory, dtype, String(threads)]);
    await torch.answer();
    const run = (contestant: Resident, count: number): Promise<Answer> => contestant.ask(`run ${count}`);
    const times: Record<string, number[]> = { qavit: [], pytorch: [] };
    const ratios: number[] = [];
    let peaks: Record<string, number> = {};
    await run(own, 1);
    await run(torch, 1);
    for (let round = 0; round < rounds; round++) {
      const a = await run(own, 3);
      const b = await run(torch, 3);
      times.qavit!.push(...a.ms);
      times.pytorch!.push(...b.ms);
      ratios.push(quantile(b.ms, 0.5) / quantile(a.ms, 0.5));
      peaks = { qavit: a.peakBytes, pytorch: b.peakBytes };
    }
    own.stop();
    torch.stop();
    const weightBytes = statSync(join(directory, 'model.safetensors')).size * (dtype === 'bf16' ? 0.5 : 1);
    const result = {
      tower,
      dtype,
      batch: 1,
      threads,
      rounds,
      cpu: cpus()[0]?.model.trim(),
      node: process.version,
      ms: Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, spreadOf(ms)])),
      speedup: { min: Math.min(...ratios), median: quantile(ratios, 0.5), max: Math.max(...ratios) },
      weightMB: weightBytes / 1e6,
      peakMB: Object.fromEntries(Object.entries(peaks).map(([name, bytes]) => [name, bytes / 1e6])),
    };
    console.log(JSON.stringify(result, null, 2));
    if (json) writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    tower: { type: 'string', default: 'vit-l-14-336' },
    dtype: { type: 'string', default: 'bf16' },
    threads: { type: 'string', default: String(cpus().length) },
    rounds: { type: 'string', default: '7' },
    json: { type: 'string' },
    serve: { type: 'string' },
  },
});
const dtype = values.dtype === 'f32' ? 'f32' : 'bf16';
const main = values.serve
  ? serve(values.serve, dtype, Number(values.threads))
  : compare(values.tower, dtype, Number(values.threads), Number(values.rounds), values.json);
main.catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
