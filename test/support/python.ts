import { execFile, spawnSync } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { root } from './paths';

/** Chosen by PYTHON, as for the parity tests. */
const python = process.env.PYTHON || 'python3';
const known = new Map<string, boolean>();

/** Skips the running test where Python lacks a module, and says so: the reporter would not. Importing torch takes its time. */
export function requirePython(test: Mocha.Context, ...modules: readonly string[]): void {
  test.timeout(180_000);
  // Looked for, not imported: that is done once, by the test.
  const line = `import importlib.util as u, sys; sys.exit(None in map(u.find_spec, ${JSON.stringify(modules)}))`;
  const there = known.get(line) ?? spawnSync(python, ['-c', line], { stdio: 'ignore' }).status === 0;
  known.set(line, there);
  if (there) return;
  const title = test.test?.fullTitle() ?? 'a test';
  console.error(`[qavit] skipped '${title}': '${python}' has no ${modules.join(' and ')} (PYTHON chooses another)`);
  test.skip();
}

/** What a script prints, as JSON. */
export async function runPython(script: string, ...args: readonly string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(python, ['-c', script, ...args], { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout);
}

/** Runs `python -m <module>` in training/; what it says is in the error of one that fails. */
export async function runTraining(module: string, ...args: readonly string[]): Promise<void> {
  const env = { ...process.env, HF_HUB_OFFLINE: '1' };
  await promisify(execFile)(python, ['-m', module, ...args], {
    cwd: path.join(root, 'training'),
    env,
    maxBuffer: 2 ** 26,
  });
}

/** Of files of torch.save: dtype, shape, strides and the bytes of the numbers in hex, as torch.load(weights_only=True) has them. */
export const TORCH_LOAD = `
import json, sys, torch
loaded = [torch.load(name, weights_only=True) for name in sys.argv[1:]]
print(json.dumps([{
    "dtype": str(t.dtype), "shape": list(t.shape), "strides": list(t.stride()), "grad": t.requires_grad,
    "bytes": bytes(t.untyped_storage()).hex(),
} for t in loaded]))
`;
