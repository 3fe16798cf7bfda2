/**
 * Answers {"case": i} with what becomes of that case on the GPU. In a process of its own: a kernel that hangs ends with it only, and a
 * fault costs it the GPU.
 */
import { createInterface } from 'node:readline';
import { loadAddon } from '../../lib/binding/load';
import { relativeError } from '../support/compare';
import { openCuda } from '../support/cuda';
import { prepareOperation, runOperation } from '../support/op-runner';
import { toleranceOf } from '../support/tolerances';
import { type DiagnosisCase, diagnosisCases } from './cases';
import { describeDifference } from './difference';

export interface Verdict {
  /** 'fails': with an error; nothing more should be asked of this process. */
  verdict: 'right' | 'wrong' | 'unsteady' | 'fails';
  report: string[];
}

const device = openCuda();
const reference = new (loadAddon().Device)({ kind: 'reference' });
const cases = diagnosisCases();
const answer = (what: object): void => console.log(JSON.stringify(what));

/** What relativeError says of two results, a number or why there is none. */
function errorOf(found: Float32Array, wanted: Float32Array): number | string {
  try {
    return relativeError(found, wanted);
  } catch (error) {
    return (error as Error).message;
  }
}

/** For exact results, which sums in f32 may miss by a rounding. */
const EXACT = 1e-6;

async function judge({ operation, options, exact }: DiagnosisCase): Promise<Verdict> {
  const { input, output = input } = options;
  const wanted = await runOperation(reference, operation(), { input, output: 'f32', residual: output });
  const run = await prepareOperation(device, operation(), options);
  // Launched, recorded, replayed.
  const found = [await run(), await run(), await run()] as const;
  const tolerance = exact ? EXACT : toleranceOf(options);
  const { shape } = operation().result;
  const error = errorOf(found[0], wanted);
  if (typeof error === 'string' || error > tolerance) {
    const said =
      typeof error === 'string' ? error : `relative error ${error.toExponential(2)}, of ${tolerance} allowed`;
    return { verdict: 'wrong', report: [said, ...describeDifference(found[0], wanted, shape, tolerance)] };
  }
  const other = found.findIndex((result) => result.some((value, i) => !Object.is(value, found[0][i])));
  if (other < 0) return { verdict: 'right', report: [] };
  const said = `run ${other + 1} (${['launched', 'recorded', 'replayed'][other]}) differs from the first`;
  return { verdict: 'unsteady', report: [said, ...describeDifference(found[other]!, found[0], shape, tolerance)] };
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request = JSON.parse(line) as { case: number };
    judge(cases[request.case]!).then(answer, (error: Error) => answer({ verdict: 'fails', report: [error.message] }));
  })
  // Whoever asked is gone; process.exit() would wait for a kernel that hangs.
  .on('close', () => process.kill(process.pid, 'SIGKILL'));
answer({ ready: device.info.name });
