/** What contestants that run in Node have in common: the process that does one piece of work as often as it is told. */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { About, Answer, Spec, Turn } from './spec';

export interface Work {
  /** Asked for when the work was done once. */
  about(): About;
  /** Does all of it once. */
  run(): Promise<Float32Array | Uint8Array>;
  close(): Promise<void>;
}

type Request = { do: 'run'; count: number } | { do: 'result'; file: string };

const send = (answer: Answer<unknown>): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

async function turn(work: Work, count: number): Promise<Turn> {
  const ms: number[] = [];
  const cpuMs: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    await work.run();
    ms.push(performance.now() - start);
    const { user, system } = process.cpuUsage(cpu);
    cpuMs.push((user + system) / 1e3);
  }
  return { ms, cpuMs, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

async function answer(work: Work, request: Request): Promise<unknown> {
  if (request.do === 'run') return turn(work, request.count);
  const result = await work.run();
  writeFileSync(request.file, Float32Array.from(result));
  return { shape: [result.length] };
}

/** The first line is sent when the work is done for the first time: until then the process starts. */
export async function serve(open: (spec: Spec) => Promise<Work>): Promise<void> {
  const failed = (error: unknown): void => send({ error: `${(error as Error).message}`.split('\n')[0]! });
  let work: Work;
  try {
    work = await open(JSON.parse(process.argv[2] ?? '{}') as Spec);
    await work.run();
  } catch (error) {
    return failed(error);
  }
  send({ ok: work.about() });
  for await (const line of createInterface({ input: process.stdin })) {
    await answer(work, JSON.parse(line) as Request).then((ok) => send({ ok }), failed);
  }
  await work.close();
}
