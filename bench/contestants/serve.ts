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

/** The work, and what it gave last. */
class Contestant {
  private last: Float32Array | Uint8Array = new Float32Array();

  constructor(private readonly work: Work) {}

  async run(count: number): Promise<Turn> {
    const ms: number[] = [];
    const cpuMs: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const [start, cpu] = [performance.now(), process.cpuUsage()];
      this.last = await this.work.run();
      ms.push(performance.now() - start);
      const { user, system } = process.cpuUsage(cpu);
      cpuMs.push((user + system) / 1e3);
    }
    return { ms, cpuMs, peakBytes: process.resourceUsage().maxRSS * 1024 };
  }

  result(file: string): { shape: number[] } {
    writeFileSync(file, Float32Array.from(this.last));
    return { shape: [this.last.length] };
  }

  async answer(request: Request): Promise<unknown> {
    return request.do === 'run' ? this.run(request.count) : this.result(request.file);
  }
}

/** The first line is sent when the work is done for the first time: until then the process starts. */
export async function serve(open: (spec: Spec) => Promise<Work>): Promise<void> {
  const failed = (error: unknown): void => send({ error: `${(error as Error).message}`.split('\n')[0]! });
  let work: Work;
  let contestant: Contestant;
  try {
    work = await open(JSON.parse(process.argv[2] ?? '{}') as Spec);
    contestant = new Contestant(work);
    await contestant.run(1);
  } catch (error) {
    return failed(error);
  }
  send({ ok: work.about() });
  for await (const line of createInterface({ input: process.stdin })) {
    await contestant.answer(JSON.parse(line) as Request).then((ok) => send({ ok }), failed);
  }
  await work.close();
}
