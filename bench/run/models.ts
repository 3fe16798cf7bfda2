/** Random towers, exported ones and pictures, made by training/peers and kept for the run, or in --models for the next. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { python, training } from '../peers';
import { BenchError } from '../support/bench-error';

export class Models {
  private readonly folder: string;

  /** @param kept undefined: a temporary folder, which goes with close() */
  constructor(private readonly kept: string | undefined) {
    this.folder = kept ?? mkdtempSync(path.join(tmpdir(), 'qavit-bench-'));
  }

  /** Tower, adapter, inputs and what they give. */
  tower(name: string): string {
    return this.once(name, 'make', (target) => [target, name]);
  }

  /** @throws BenchError where PyTorch cannot export or onnx is not installed */
  exported(name: string): string {
    const directory = this.tower(name);
    if (!existsSync(path.join(directory, 'exported', 'onnx', 'vision_model_quantized.onnx'))) {
      this.python('onnx', [directory], 'export the tower to ONNX');
    }
    return directory;
  }

  picture(width: number, height: number): string {
    return this.once(`${width}x${height}.jpg`, 'picture', (target) => [target, String(width), String(height)]);
  }

  /** For results on their way from one process to another. */
  scratch(name: string): string {
    return path.join(this.folder, name);
  }

  close(): void {
    if (this.kept === undefined) rmSync(this.folder, { recursive: true, force: true });
  }

  /** Under its name only when it is whole. */
  private once(name: string, command: string, args: (target: string) => string[]): string {
    const target = path.join(this.folder, name);
    if (existsSync(target)) return target;
    const unfinished = path.join(this.folder, 'unfinished');
    rmSync(unfinished, { recursive: true, force: true });
    const made = name.endsWith('.jpg') ? path.join(unfinished, name) : unfinished;
    mkdirSync(unfinished, { recursive: true });
    console.error(`making ${name}`);
    this.python(command, args(path.resolve(made)), `make ${name}`);
    renameSync(made, target);
    return target;
  }

  private python(command: string, args: readonly string[], what: string): void {
    const { status, error, stderr } = spawnSync(python(), ['-m', 'peers.cpu', command, ...args], {
      cwd: training,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
    if (status === 0) return;
    const why = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
    throw new BenchError(
      `Expected '${python()}' to ${what} but it failed (${why}): pip install -r training/requirements.txt, or PYTHON=/path/to/python`,
    );
  }
}
