/** What is looked at when a kernel goes wrong: operations alone, those with kernels of their own for Hopper first. */
import type { CaseOperation } from '../support/case-operands';
import type { FloatDType, RunOptions } from '../support/op-runner';
import { tableOperations } from '../support/table-operations';

export interface DiagnosisCase {
  name: string;
  op: string;
  operation: () => CaseOperation;
  options: RunOptions & { input: FloatDType };
  /** Its results are the same numbers in every dtype. */
  exact?: boolean;
}

const FIRST = ['linear', 'concat_attention', 'gated_projection'];

/** A number that says where it stands, which bf16 holds exactly. */
const code = (a: number, b: number): number => (a % 16) * 16 + (b % 16);

const filled = (rows: number, columns: number, at: (row: number, column: number) => number): Float32Array =>
  Float32Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns));

/** Picks column `row` modulo `columns`. */
const pick = (rows: number, columns: number, value = 1): Float32Array =>
  filled(rows, columns, (row, column) => (column === row % columns ? value : 0));

const layout = { offset: 0, padding: 0 };

function product(
  name: string,
  x: Float32Array,
  weight: Float32Array,
  [rows, inner, out]: readonly [number, number, number],
) {
  const operation: CaseOperation = {
    op: 'linear',
    views: { x: { shape: [1, rows, inner], data: x } },
    weights: { weight: { shape: [1, out, inner], role: 'matrix', data: weight } },
    attributes: { activation: 'none', alpha: 1 },
    result: { name: 'y', shape: [1, rows, out] },
    layout,
  };
  return { op: 'linear', name: `linear: ${name}`, operation: () => operation, exact: true };
}

/**
 * Every number of these results was read from one place, and is `code` of it modulo 16: a wrong one says where it was read instead. The
 * sizes are a few of the largest tiles and not whole.
 */
function probes(): Omit<DiagnosisCase, 'options'>[] {
  const size = [300, 256, 600] as const;
  const [rows, inner, out] = size;
  const [queries, keys, width] = [200, 200, 64];
  const attention: CaseOperation = {
    op: 'concat_attention',
    views: {
      // All weight is on the keys that are the query's number modulo the width, whose values are alike.
      q: { shape: [1, queries, width], data: pick(queries, width, 32) },
      k: { shape: [1, keys, width], data: pick(keys, width) },
      v: { shape: [1, keys, width], data: filled(keys, width, code) },
    },
    weights: {},
    attributes: { heads: 1, scale: 1 },
    result: { name: 'out', shape: [1, queries, width] },
    layout,
  };
  return [
    product(
      'result [r, n] is weight [n, r mod 256] = 16 (n mod 16) + r mod 16',
      pick(rows, inner),
      filled(out, inner, code),
      size,
    ),
    product(
      'result [r, n] is x [r, n mod 256] = 16 (r mod 16) + n mod 16',
      filled(rows, inner, code),
      pick(out, inner),
      size,
    ),
    {
      op: 'concat_attention',
      name: 'concat_attention: result [m, d] is value [m mod 64, d] = 16 (m mod 16) + d mod 16',
      operation: () => attention,
      exact: true,
    },
  ];
}

function optionsOf(op: string): DiagnosisCase['options'][] {
  if (op === 'question_attention') return (['bf16', 'f16', 'f32'] as const).map((input) => ({ input, output: 'f32' }));
  const halves = (['bf16', 'f16'] as const).flatMap((input): DiagnosisCase['options'][] =>
    // Hopper's products finish sums in f32 another way.
    op === 'linear' ? [{ input }, { input, output: 'f32' }] : [{ input }],
  );
  return [...halves, { input: 'f32' }];
}

export function diagnosisCases(): DiagnosisCase[] {
  const all = [...probes(), ...tableOperations()];
  const place = ({ op }: { op: string }): number => (FIRST.includes(op) ? FIRST.indexOf(op) : FIRST.length);
  return all
    .sort((a, b) => place(a) - place(b))
    .flatMap((entry) => optionsOf(entry.op).map((options) => ({ ...entry, options })));
}
