/** A case as lines of text. */
import { milliseconds, percent, times } from './figures';
import { type AnyResult, type CaseResult, isKernels, type KernelsResult, titleOf } from './results';

function kernelLines({ kernels, peak, isa, threads }: KernelsResult): string[] {
  return [
    `  ${isa}, ${threads} threads, ${peak.toFixed(0)} GFLOP/s in registers`,
    ...kernels.map(({ case: name, ms, rate, unit, share }) => {
      const speed = `${rate.toFixed(0).padStart(6)} ${unit.padEnd(7)} ${percent(share).padStart(5)}`;
      return `  ${name.padEnd(66)} ${ms.toFixed(3).padStart(9)} ms ${speed}`;
    }),
  ];
}

function contestantLines(result: CaseResult): string[] {
  const lines = Object.entries(result.contestants).map(([name, found]) => {
    const ratio = result.ratios[name];
    return [
      `  ${name.padEnd(16)}`,
      `${milliseconds(found.median).padStart(9)} (${milliseconds(found.p10)} - ${milliseconds(found.p90)})`.padEnd(36),
      `best ${milliseconds(found.best)}`.padEnd(16),
      `${found.peakMB.toLocaleString('en')} MB`.padStart(9),
      found.agreement === undefined ? '' : ` agreement ${found.agreement.toFixed(5)}`,
      ratio ? `  qavit is ${times(ratio.median)} as fast (${times(ratio.p10)} - ${times(ratio.p90)})` : '',
    ].join(' ');
  });
  const missing = Object.entries(result.missing).map(([name, why]) => `  MISSING ${name}: ${why}`);
  const others = result.others === undefined ? [] : [`  other processes had ${percent(result.others)} of the cores`];
  return [...lines, ...missing, ...others];
}

export function linesOf(result: AnyResult): string {
  return [titleOf(result), ...(isKernels(result) ? kernelLines(result) : contestantLines(result))].join('\n');
}
