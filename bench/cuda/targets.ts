/** The figures that this project wants on an H200 (ViT-L/14-336, bf16, late, K = 32), and which of them a run met. */
import type { ContestResult } from './contest';
import type { KernelResult } from './kernel-contest';
import type { Errors } from './peer-process';

export interface Target {
  what: string;
  wanted: string;
  measured: string;
  met: boolean;
}

export interface Measured {
  errors: Record<string, Errors>;
  cases: readonly ContestResult[];
  kernels: readonly KernelResult[];
  /** Median TFLOP/s of the large product. */
  ceiling: number;
}

/** Of the targets, those that this run has measured. */
export function targetsOf({ errors, cases, kernels, ceiling }: Measured): Target[] {
  return [...errorTargets(errors), ...modelTargets(cases, ceiling), ...kernelTargets(kernels)];
}

const atMost = (what: string, value: number, limit: number, unit = ''): Target => ({
  what,
  wanted: `<= ${limit}${unit}`,
  measured: `${value.toPrecision(4)}${unit}`,
  met: value <= limit,
});

const atLeast = (what: string, value: number, limit: number, unit = ''): Target => ({
  ...atMost(what, value, limit, unit),
  wanted: `>= ${limit}${unit}`,
  met: value >= limit,
});

function errorTargets({ qavit, eager }: Record<string, Errors>): Target[] {
  const targets: Target[] = [];
  if (qavit && eager) {
    targets.push(atMost("error over PyTorch's own in this dtype", qavit.relative / eager.relative, 1.25, 'x'));
  }
  if (qavit) targets.push(atLeast('lowest cosine of a token', qavit.lowestCosine, 0.999));
  return targets;
}

function modelTargets(cases: readonly ContestResult[], ceiling: number): Target[] {
  const found = (name: string) => cases.find((entry) => entry.case === name)?.contestants;
  const targets: Target[] = [];
  const [large, plain, one] = [found('32x1'), found('32x0'), found('1x1')];
  if (large?.qavit) {
    targets.push(
      atLeast("batch 32: share of this run's product ceiling", (large.qavit.device.tflops / ceiling) * 100, 62, '%'),
    );
    targets.push(...ahead('batch 32', large));
  }
  if (one?.qavit) {
    targets.push(atMost('batch 1: from pixels to tokens on the GPU', one.qavit.device.call.median, 1.3, ' ms'));
    targets.push(...ahead('batch 1', one));
  }
  const [apart, shared] = [found('8x1'), found('8x8')];
  if (apart?.qavit && shared?.qavit) {
    const gain = apart.qavit.device.call.median / shared.qavit.device.call.median;
    targets.push(atLeast('8 questions on one image over 8 pairs', gain, 1.7, 'x'));
  }
  if (large?.qavit && plain?.qavit) {
    const cost = (large.qavit.device.gpu.median / plain.qavit.device.gpu.median - 1) * 100;
    targets.push(atMost('fusing over the plain tower, batch 32', cost, 1.5, '%'));
  }
  return targets;
}

/** By the GPU's clock and by the call: the lesser counts. */
function ahead(what: string, { qavit, compiled }: ContestResult['contestants']): Target[] {
  if (!qavit || !compiled) return [];
  const ratio = (by: 'gpu' | 'call') => compiled.device[by].median / qavit.device[by].median;
  const times = Math.min(ratio('gpu'), ratio('call'));
  return [{ ...atLeast(`${what}: over torch.compile`, times, 1, 'x'), met: times > 1 }];
}

function kernelTargets(kernels: readonly KernelResult[]): Target[] {
  return kernels.flatMap(({ case: name, overBestPeer, peers }) => {
    if (overBestPeer === undefined) return [];
    return peers.cublas
      ? [atLeast(`${name}: of cuBLASLt`, overBestPeer * 100, 85, '%')]
      : [atLeast(`${name}: over PyTorch's best attention`, overBestPeer, 1, 'x')];
  });
}
