/** What is wrong with a result, in terms by which a wrong address, stride, swizzle, parity or wait is told from the others. */
import type { Shape } from '../support/plan-writer';

interface Wrong {
  /** Of the result, batch entries below each other. */
  row: number;
  column: number;
  found: number;
  wanted: number;
}

/** So many times the error that a whole result may have makes an element wrong: roundings stay far below, misplaced numbers far above. */
const OUTSTANDING = 8;
const EXAMPLES = 6;
const RANGES = 8;
const PERIODS = [8, 16, 32, 64, 128];
/** What is looked for elsewhere, and how much of it has to agree on where. */
const SAMPLE = 256;
const AGREE = 0.5;
const [MAP_ROWS, MAP_COLUMNS, SMALLEST_CELL] = [24, 64, 8];

/** Lines; none where no element stands out. */
export function describeDifference(
  found: Float32Array,
  wanted: Float32Array,
  [batch, rows, columns]: Shape,
  tolerance: number,
): string[] {
  const finite = wanted.filter(Number.isFinite);
  const rms = Math.sqrt(finite.reduce((sum, value) => sum + value ** 2, 0) / Math.max(finite.length, 1)) || 1;
  const near = (a: number, b: number): boolean =>
    Object.is(a, b) ||
    (Number.isFinite(b) && Math.abs(a - b) <= OUTSTANDING * tolerance * rms + tolerance * Math.abs(b));
  const wrong: Wrong[] = [];
  for (let i = 0; i < wanted.length; i += 1) {
    if (near(found[i]!, wanted[i]!)) continue;
    wrong.push({ row: Math.floor(i / columns), column: i % columns, found: found[i]!, wanted: wanted[i]! });
  }
  if (wrong.length === 0) return [];
  const at = (row: number, column: number): number => wanted[row * columns + column]!;
  const same = (a: number, b: number): boolean => Math.abs(a - b) <= tolerance * (rms + Math.abs(b));
  return [
    `${wrong.length} of ${wanted.length} elements${kindsOf(wrong)}, root mean square of all wanted ${rms.toPrecision(3)}`,
    ...wrong.slice(0, EXAMPLES).map((one) => exampleOf(one, rows)),
    `rows ${placesOf(
      wrong.map(({ row }) => row % rows),
      rows,
    )}`,
    `columns ${placesOf(
      wrong.map(({ column }) => column),
      columns,
    )}`,
    ...(batch > 1
      ? [
          `batch entries ${placesOf(
            wrong.map(({ row }) => Math.floor(row / rows)),
            batch,
          )}`,
        ]
      : []),
    ...ratioOf(wrong, rms),
    ...displacementOf(wrong, { rows: batch * rows, columns, at, same, rms }),
    ...mapOf(wrong, batch * rows, columns),
  ];
}

function kindsOf(wrong: readonly Wrong[]): string {
  const kinds = {
    NaN: wrong.filter(({ found, wanted }) => Number.isNaN(found) && !Number.isNaN(wanted)).length,
    infinite: wrong.filter(({ found }) => Math.abs(found) === Infinity).length,
    zero: wrong.filter(({ found }) => found === 0).length,
  };
  const some = Object.entries(kinds).filter(([, count]) => count > 0);
  return some.length > 0 ? ` (${some.map(([kind, count]) => `${count} ${kind}`).join(', ')})` : '';
}

const exampleOf = ({ row, column, found, wanted }: Wrong, rows: number): string =>
  `[${Math.floor(row / rows)}, ${row % rows}, ${column}]: received ${found.toPrecision(6)}, wanted ${wanted.toPrecision(6)}`;

/** `0-7, 16-23 of 64; all = 0-7 (mod 16)` */
function placesOf(places: readonly number[], size: number): string {
  const all = [...new Set(places)].sort((a, b) => a - b);
  const period = PERIODS.find(
    (length) => 2 * length <= size && new Set(all.map((place) => place % length)).size < length,
  );
  const residues = period && [...new Set(all.map((place) => place % period))].sort((a, b) => a - b);
  return `${rangesOf(all)} of ${size}${residues && all.length > 1 ? `; all = ${rangesOf(residues)} (mod ${period})` : ''}`;
}

function rangesOf(sorted: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const place of sorted) {
    const last = ranges.at(-1);
    if (last?.[1] === place - 1) last[1] = place;
    else ranges.push([place, place]);
  }
  const text = ranges.slice(0, RANGES).map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  return text.join(', ') + (ranges.length > RANGES ? `, ... (${ranges.length} ranges)` : '');
}

/** A factor that most have in common: a product added twice, a scale left out. */
function ratioOf(wrong: readonly Wrong[], rms: number): string[] {
  const ratios = wrong
    .filter(({ found, wanted }) => Number.isFinite(found) && found !== 0 && Math.abs(wanted) > rms / 10)
    .map(({ found, wanted }) => found / wanted)
    .sort((a, b) => a - b);
  const median = ratios[Math.floor(ratios.length / 2)] ?? 0;
  const alike = ratios.filter((ratio) => Math.abs(ratio - median) <= 0.02 * Math.abs(median)).length;
  if (ratios.length < 4 || alike < 0.8 * ratios.length) return [];
  return [`received is ${median.toPrecision(4)} times what was wanted, for ${alike} of ${ratios.length}`];
}

interface Matrix {
  rows: number;
  columns: number;
  at: (row: number, column: number) => number;
  same: (a: number, b: number) => boolean;
  rms: number;
}

/** Where in the same row or column the received numbers belong, if most agree: + as strides go wrong, ^ as swizzles do. */
function displacementOf(wrong: readonly Wrong[], { rows, columns, at, same, rms }: Matrix): string[] {
  const telling = wrong.filter(({ found }) => Number.isFinite(found) && Math.abs(found) > rms / 10);
  const step = Math.ceil(telling.length / SAMPLE);
  const sample = telling.filter((_, i) => i % step === 0);
  const votes = new Map<string, number>();
  const vote = (what: string, from: number, to: number): void => {
    const difference = to - from;
    for (const how of [`${what} ${difference < 0 ? '-' : '+'} ${Math.abs(difference)}`, `${what} ^ ${from ^ to}`]) {
      votes.set(how, (votes.get(how) ?? 0) + 1);
    }
  };
  for (const { row, column, found } of sample) {
    for (let other = 0; other < columns; other += 1) {
      if (other !== column && same(found, at(row, other))) vote('column', column, other);
    }
    for (let other = 0; other < rows; other += 1) {
      if (other !== row && same(found, at(other, column))) vote('row', row, other);
    }
  }
  const [how, count] = [...votes].sort(([, a], [, b]) => b - a)[0] ?? ['', 0];
  if (sample.length < 4 || count < AGREE * sample.length) return [];
  return [`what was received is wanted at ${how}, for ${count} of ${sample.length} looked at`];
}

/** Equal lines below each other as one, with their number. */
function folded(lines: readonly string[]): string[] {
  const runs: { line: string; count: number }[] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    if (last?.line === line) last.count += 1;
    else runs.push({ line, count: 1 });
  }
  return runs.map(({ line, count }) => (count > 1 ? `${line}  x ${count}` : line));
}

/** `.` right, `+` wrong in part, `#` wrong. */
function mapOf(wrong: readonly Wrong[], rows: number, columns: number): string[] {
  const cellOf = (size: number, most: number): number => {
    let cell = SMALLEST_CELL;
    while (size / cell > most) cell *= 2;
    return cell;
  };
  const [high, wide] = [cellOf(rows, MAP_ROWS), cellOf(columns, MAP_COLUMNS)];
  const counts = Array.from({ length: Math.ceil(rows / high) }, () =>
    new Array<number>(Math.ceil(columns / wide)).fill(0),
  );
  for (const { row, column } of wrong) counts[Math.floor(row / high)]![Math.floor(column / wide)]! += 1;
  const lines = counts.map((line, r) =>
    line
      .map((count, c) => {
        const elements = Math.min(high, rows - r * high) * Math.min(wide, columns - c * wide);
        return count === 0 ? '.' : count < elements ? '+' : '#';
      })
      .join(''),
  );
  return [`map, a sign for ${high} rows x ${wide} columns:`, ...folded(lines).map((line) => `  ${line}`)];
}
