import { expect } from 'chai';
import type { Shape } from '../support/plan-writer';
import { floats, random } from '../support/random';
import { diagnosisCases } from './cases';
import { describeDifference } from './difference';

const [rows, columns] = [64, 256];
const shape: Shape = [1, rows, columns];
const wanted = floats(random(1), rows * columns);

/** What is said of a result of which each element is what `at` says. */
function said(at: (row: number, column: number) => number): string[] {
  const found = wanted.map((_, i) => at(Math.floor(i / columns), i % columns));
  return describeDifference(found, wanted, shape, 1e-3);
}
const right = (row: number, column: number): number => wanted[row * columns + column]!;

describe('diagnosis: differences', () => {
  it('are none where only roundings differ, or NaN and infinities agree', () => {
    expect(said((row, column) => right(row, column) * (1 + 1e-3))).to.deep.equal([]);
    const special = Float32Array.of(NaN, Infinity, -Infinity, 1);
    expect(describeDifference(special.slice(), special, [1, 1, 4], 1e-3)).to.deep.equal([]);
    const others = Float32Array.of(NaN, -Infinity, 1, 1);
    expect(describeDifference(others, special, [1, 1, 4], 1e-3)[0]).to.match(/^2 of 4 elements/);
  });

  it('are counted and shown, with rows and columns and what they have in common', () => {
    const lines = said((row, column) => (row % 16 >= 8 && column >= 64 && column < 128 ? NaN : right(row, column)));
    expect(lines[0]).to.match(/^2048 of 16384 elements \(2048 NaN\)/);
    expect(lines[1]).to.match(/^\[0, 8, 64\]: received NaN, wanted /);
    expect(lines).to.include('rows 8-15, 24-31, 40-47, 56-63 of 64; all = 8-15 (mod 16)');
    expect(lines).to.include('columns 64-127 of 256; all = 64-127 (mod 128)');
    const map = lines.slice(lines.findIndex((line) => line.startsWith('map')) + 1);
    expect(map).to.have.length(8);
    expect(map[0]).to.equal(`  ${'.'.repeat(32)}`);
    expect(map[1]).to.equal(`  ${'.'.repeat(8)}${'#'.repeat(8)}${'.'.repeat(16)}`);
    expect(said(() => NaN).at(-1)).to.equal(`  ${'#'.repeat(32)}  x 8`);
  });

  it('name the batch entries', () => {
    const found = wanted.slice();
    for (let i = 0; i < 100; i += 1) found[40 * columns + i] = 9;
    const lines = describeDifference(found, wanted, [4, 16, columns], 1e-3);
    expect(lines[1]).to.match(/^\[2, 8, 0\]: received 9\.00000/);
    expect(lines).to.include('rows 8 of 16');
    expect(lines).to.include('batch entries 2 of 4');
  });

  it('name the factor that results have in common', () => {
    expect(said((row, column) => 2 * right(row, column)).find((line) => line.startsWith('received is'))).to.match(
      /^received is 2\.000 times what was wanted/,
    );
  });

  for (const [what, from, words] of [
    ['a stride', (row, column) => right(row, (column + 8) % columns), 'column + 8'],
    ['a swizzle', (row, column) => right(row, column ^ 24), 'column ^ 24'],
    ['exchanged rows', (row, column) => right(row ^ 1, column), 'row ^ 1'],
  ] as [string, (row: number, column: number) => number, string][]) {
    it(`find numbers at ${words} after ${what} went wrong`, () => {
      const line = said(from).find((text) => text.startsWith('what was received'));
      expect(line).to.include(`is wanted at ${words},`);
    });
  }

  it('do not find numbers elsewhere that come from nowhere', () => {
    const next = random(2);
    const other = floats(next, rows * columns);
    const lines = said((row, column) => other[row * columns + column]!);
    expect(lines.join()).to.not.match(/what was received|received is/);
  });
});

describe('diagnosis: cases', () => {
  it("begin with Hopper's products and attention, in the dtypes that they take", () => {
    const cases = diagnosisCases();
    expect(cases[0]).to.deep.include({ op: 'linear', options: { input: 'bf16' } });
    const order = [...new Set(cases.map(({ op }) => op))];
    expect(order.slice(0, 3)).to.deep.equal(['linear', 'concat_attention', 'gated_projection']);
    expect(order).to.include.members(['layer_norm', 'patch_embed', 'question_attention']);
  });
});
