/**
 * Whole plain towers at batch 1, qavit against eager PyTorch, in one run: two resident processes that take turns (A B A B ...), so
 * that drift of a shared machine hits both alike. Needs Python with torch and transformers (set PYTHON to choose one).
 *
 *     node dist/bench/towers.js --tower vit-l-14-336 --dtype bf16 --rounds 7 [--threads 2] [--json out.json]
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { QAViT } from '../lib';

const root = join(__dirname, '../..');
const python = process.env.PYTHON ?? 'python3';
const peer = join(root, 'training/peers/towers.py');

interface Answer {
  ms: number[];
  peakBytes: number;
}

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
};

/** A resident process that answers one JSON line a command. */
class Contestant {
  private readonly lines: AsyncIterator<string>;

  constructor(
    readonly name: string,
    private readonly child: ReturnType<typeof spawn>,
  ) {
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    await this.answer();
  }

  async run(count: number): Promise<Answer> {
    this.child.stdin!.write(`run ${count}\n`);
    return this.answer() as Promise<Answer>;
  }

  stop(): void {
    this.child.stdin!.end();
  }

  private async answer(): Promise<unknown> {
    const line = await this.lines.next();
    if (line.done) throw new Error(`${this.name} ended early`);
    return JSON.parse(line.value);
  }
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
    const own = new Contestant(
      'qavit',
      spawn(process.execPath, [__filename, '--serve', directory, '--dtype', dtype, '--threads', String(threads)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    await own.ready();
    const torch = new Contestant(
      'pytorch',
      spawn(python, [peer, 'serve', directory, dtype, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await torch.ready();
    const times: Record<string, number[]> = { qavit: [], pytorch: [] };
    const ratios: number[] = [];
    let peaks: Record<string, number> = {};
    await own.run(1);
    await torch.run(1);
    for (let round = 0; round < rounds; round++) {
      const a = await own.run(3);
      const b = await torch.run(3);
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
      ms: Object.fromEntries(
        Object.entries(times).map(([name, ms]) => [
          name,
          { p10: quantile(ms, 0.1), median: quantile(ms, 0.5), p90: quantile(ms, 0.9) },
        ]),
      ),
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
