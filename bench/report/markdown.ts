/** All results as tables of Markdown. */
import type { Machine } from '../support/machine';
import { bestPyTorch, milliseconds, percent, times } from './figures';
import { type AnyResult, type CaseResult, isKernels, type KernelsResult, titleOf } from './results';

const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

function table(head: readonly string[], alignment: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(alignment), ...rows.map(row)].join('\n');
}

function kernelsTable({ case: name, isa, threads, peak, commit, kernels }: KernelsResult): string {
  const rows = kernels.map(({ case: kernel, ms, rate, unit, share }) => [
    kernel,
    ms.toFixed(3),
    `${rate.toFixed(0)} ${unit}`,
    percent(share),
  ]);
  return [
    `## ${name}`,
    `${isa}, ${threads} threads, best of all rounds; ${peak.toFixed(0)} GFLOP/s in registers alone; \`${commit}\``,
    table(['kernel', 'ms', 'rate', 'of the ceiling'], [':--', '--:', '--:', '--:'], rows),
  ].join('\n\n');
}

/** One row for each contestant and missing peer. */
function caseRows(result: CaseResult): string[][] {
  const best = bestPyTorch(result);
  const rows = Object.entries(result.contestants).map(([name, found]) => {
    const ratio = result.ratios[name];
    const range = ratio ? ` (${times(ratio.p10)} – ${times(ratio.p90)})` : '';
    return [
      name === 'qavit' ? titleOf(result) : '',
      name === best ? `${name} (best PyTorch)` : name,
      milliseconds(found.median),
      `${milliseconds(found.p10)} – ${milliseconds(found.p90)}`,
      milliseconds(found.best),
      `${found.peakMB.toLocaleString('en')} MB`,
      found.agreement === undefined ? '' : found.agreement.toFixed(5),
      ratio ? `${times(ratio.median)}${range}` : '',
      name === 'qavit' && result.others !== undefined ? percent(result.others) : '',
    ];
  });
  const missing = Object.entries(result.missing).map(([name, why]) => [
    '',
    name,
    `**missing**: ${why}`,
    '',
    '',
    '',
    '',
    '',
    '',
  ]);
  return [...rows, ...missing];
}

const HEAD = [
  'case',
  'contestant',
  'median',
  'p10 – p90',
  'best',
  'peak memory',
  'agreement',
  'its time over qavit’s',
  'others',
];
const ALIGNMENT = [':--', ':--', '--:', '--:', '--:', '--:', '--:', '--:', '--:'];

const EXPLANATION = `Written by \`npm run bench\`, raw times in the JSON file beside this one. Contestants of a case took turns in one run. **its time over
qavit's**: the median over the rounds of the ratio within a round (p10 – p90); above 1 qavit is faster. **agreement**: lowest cosine of a token with
PyTorch's f32 (of a picture: 1 less the mean difference over 255). **others**: share of the cores that processes outside the benchmark had meanwhile;
where it is high read the ratio, not the milliseconds. **CPU time**: what the contestant computed, not what it waited for a core, by one thread. **peak memory** is the whole process's.`;

export function markdown(results: readonly AnyResult[], machine: Machine): string {
  const cases = results.filter((result): result is CaseResult => !isKernels(result));
  // Cases that were measured at different times may have met different ones.
  const packages = new Set(
    cases
      .flatMap(({ contestants }) => Object.values(contestants))
      .flatMap(({ versions }) => Object.entries(versions).map(([name, version]) => `${name} ${version}`)),
  );
  const commits = [...new Set(results.map(({ commit }) => commit))].join(', ');
  const facts = [`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGB} GB, ${machine.os}`, `commit ${commits}`];
  const sections = [
    '# Results on the CPU',
    EXPLANATION,
    [...facts, ...packages].map((fact) => `- ${fact}`).join('\n'),
    ...(cases.length > 0 ? ['## Cases', table(HEAD, ALIGNMENT, cases.flatMap(caseRows))] : []),
    ...results.filter(isKernels).map(kernelsTable),
  ];
  return `${sections.join('\n\n')}\n`;
}
