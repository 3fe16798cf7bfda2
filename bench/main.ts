/** `npm run bench`; `--help` says what it does. */
import path from 'node:path';
import { type Case } from './cases';
import { HELP, type Options, readOptions } from './options';
import { chart } from './report/chart';
import { markdown } from './report/markdown';
import { type AnyResult, isKernels, Results } from './report/results';
import { linesOf } from './report/terminal';
import { measure } from './run/measure';
import { Models } from './run/models';
import { BenchError } from './support/bench-error';

// ONNX Runtime reports to its maker unless told not to; contestants inherit this.
process.env.ORT_DISABLE_TELEMETRY ||= '1';

class Run {
  private readonly end: number;
  /** What was asked for and is not there, for the last lines of the output. */
  private readonly left: string[] = [];
  private incomplete = false;

  constructor(
    private readonly options: Options,
    private readonly results: Results,
    private readonly models: Models,
  ) {
    this.end = performance.now() + options.minutes * 60e3;
  }

  async cases(): Promise<void> {
    for (const entry of this.options.cases) {
      if (performance.now() > this.end) this.leave(entry, 'the minutes are over');
      else await this.one(entry);
    }
  }

  private async one(entry: Case): Promise<void> {
    try {
      const result = await measure(entry, this.models, this.options);
      this.results.add(result);
      console.log(`\n${linesOf(result)}`);
      this.noteMissing(result);
    } catch (error) {
      this.incomplete = true;
      this.leave(entry, (error as Error).message);
    }
    this.write();
  }

  private leave({ name }: Case, why: string): void {
    console.log(`\n${name}\n  NOT MEASURED: ${why}`);
    this.left.push(`${name}: ${why}`);
  }

  private noteMissing(result: AnyResult): void {
    if (isKernels(result)) return;
    for (const [peer, why] of Object.entries(result.missing)) {
      this.left.push(`${result.case} without ${peer}: ${why}`);
      this.incomplete ||= this.options.strict;
    }
  }

  private write(): void {
    const { all, where } = this.results;
    if (all.length === 0) return;
    this.results.write('.md', markdown(all, where));
    const drawn = chart(all);
    if (drawn) this.results.write('.svg', drawn);
  }

  /** @returns whether everything that was asked for is there */
  finish(): boolean {
    this.write();
    const line = '='.repeat(100);
    if (this.left.length > 0) console.log(`\n${line}\nMISSING\n  ${this.left.join('\n  ')}\n${line}`);
    const { all } = this.results;
    if (all.length > 0) console.log(`\nIn ${path.relative(process.cwd(), this.results.fileWith('.{json,md,svg}'))}`);
    return !this.incomplete;
  }
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (!options) return console.log(HELP);
  const results = Results.open(options.json);
  const models = new Models(options.models);
  try {
    const run = new Run(options, results, models);
    await run.cases();
    if (!run.finish()) process.exitCode = 1;
  } finally {
    models.close();
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof BenchError ? error.message : error);
  process.exitCode = 1;
});
