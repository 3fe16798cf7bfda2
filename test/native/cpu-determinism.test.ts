/**
 * The CPU backend's results are the same bits from run to run, for every number of threads and wherever a sample stands in a batch.
 * Tiles, tasks and threads change with all three; the order of additions must not.
 */
import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device } from '../../lib/binding/native';
import { CASE_OPS, casesOf, type ConcatAttentionCase } from '../cases';
import { operationOf, type CaseOperation, type CaseView } from '../support/case-operands';
import { runOperation, type RunOptions } from '../support/op-runner';
import { tableOperations } from '../support/table-operations';

const addon = loadAddon();
const isLarge = ({ result: { shape } }: CaseOperation): boolean => shape[0] * shape[1] * shape[2] > 50_000;

/** Of an operation. Large cases are for one path of each size of tasks: AVX2's are larger than all others'. */
function casesFor(isa: string, op: string) {
  const all = isa === addon.cpuIsas()[0] || isa === 'avx2';
  return tableOperations().filter((entry) => entry.op === op && (all || !isLarge(entry.operation())));
}

/** question_attention writes f32 only. Large cases, whose tiles and tasks are the same in both dtypes, take one. */
function dtypes(operation: CaseOperation): RunOptions[] {
  const { op } = operation;
  if (op === 'question_attention') return [{ input: 'f32' }, { input: 'bf16', output: 'f32' }];
  const plain: RunOptions[] = isLarge(operation) ? [{ input: 'bf16' }] : [{ input: 'f32' }, { input: 'bf16' }];
  const quantizes = op === 'linear' || op === 'gated_projection';
  return quantizes ? [...plain, { input: 'bf16', weights: 'int8' }] : plain;
}

const bitsOf = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** Rows [from, from + count) of every batch entry, as an operation of their own. */
function someRows(view: CaseView, from: number, count: number): CaseView {
  const [batch, rows, columns] = view.shape;
  const parts = Array.from({ length: batch }, (_, b) =>
    view.data.subarray((b * rows + from) * columns, (b * rows + from + count) * columns),
  );
  const data = Float32Array.from(parts.flatMap((part) => Array.from(part)));
  return { ...view, shape: [batch, count, columns], data };
}

/** Batch entry `b` of a view; a view shared by the batch is everybody's. */
function entry(view: CaseView, b: number): CaseView {
  const [, rows, columns] = view.shape;
  if (view.shared) return { ...view, shape: [1, rows, columns] };
  return { ...view, shape: [1, rows, columns], data: view.data.slice(b * rows * columns, (b + 1) * rows * columns) };
}

for (const isa of addon.cpuIsas()) {
  describe(`native: determinism of the CPU backend, ${isa}`, () => {
    let devices: Device[];
    before(() => {
      devices = [1, 2, 3].map((threads) => new addon.Device({ kind: 'cpu', isa, threads }));
    });
    after(() => Promise.all(devices.map((device) => device.close())));

    for (const op of [...CASE_OPS, 'question_attention']) {
      it(`${op}: 1, 2 and 3 threads, 3 twice`, async () => {
        for (const { name, operation } of casesFor(isa, op)) {
          for (const options of dtypes(operation())) {
            const first = bitsOf(await runOperation(devices[0]!, operation(), options));
            for (const device of [...devices.slice(1), devices[2]!]) {
              const again = bitsOf(await runOperation(device, operation(), options));
              expect(first.equals(again), `${name} ${options.input}`).to.equal(true);
            }
          }
        }
      });
    }

    for (const op of ['linear', 'layer_norm']) {
      it(`${op}: a row alone and among others`, async () => {
        for (const { name, operation } of casesFor(isa, op)) {
          for (const options of dtypes(operation())) await holdRow(devices, name, operation(), options);
        }
      });
    }

    it('concat_attention: a sample alone, with its question cut to its length, and in its batch', async () => {
      for (const table of casesOf('concat_attention').filter(({ B }) => B > 1)) {
        await holdSamples(devices, table);
      }
    });

    it('patch_embed: an image alone and in its batch', async () => {
      for (const table of casesOf('patch_embed').filter(({ B }) => B > 1)) {
        const operation = operationOf('patch_embed', table);
        const [batch, rows, columns] = operation.result.shape;
        const whole = await runOperation(devices[1]!, operation);
        for (let b = 0; b < batch; b += 1) {
          const result = { ...operation.result, shape: [1, rows, columns] as [number, number, number] };
          const alone = { ...operation, views: { pixels: entry(operation.views.pixels!, b) }, result };
          const wanted = whole.slice(b * rows * columns, (b + 1) * rows * columns);
          expect(bitsOf(await runOperation(devices[0]!, alone)).equals(bitsOf(wanted)), table.name).to.equal(true);
        }
      }
    });
  });
}

/** One row of each batch entry is the same without the others. */
async function holdRow(devices: Device[], name: string, operation: CaseOperation, options: RunOptions): Promise<void> {
  const [batch, rows, columns] = operation.result.shape;
  const from = Math.floor(rows / 3);
  const views = Object.entries(operation.views).map(([view, value]) => [view, someRows(value, from, 1)] as const);
  const result = { ...operation.result, shape: [batch, 1, columns] as [number, number, number] };
  const whole = await runOperation(devices[1]!, operation, options);
  const alone = await runOperation(devices[2]!, { ...operation, views: Object.fromEntries(views), result }, options);
  const wanted = someRows({ shape: operation.result.shape, data: whole }, from, 1).data as Float32Array;
  expect(bitsOf(alone).equals(bitsOf(wanted)), `${name} ${options.input}`).to.equal(true);
}

/** A sample's rows in a batch are those of the sample alone, its question without padding, or without a question at length 0. */
async function holdSamples(devices: Device[], table: ConcatAttentionCase): Promise<void> {
  const operation = operationOf('concat_attention', table);
  const [batch, rows, columns] = operation.result.shape;
  const { q, k, v, question_k, question_v } = operation.views;
  for (const options of dtypes(operation)) {
    const whole = await runOperation(devices[1]!, operation, options);
    for (let b = 0; b < batch; b += 1) {
      const length = table.lengths?.[b] ?? table.K;
      const views: Record<string, CaseView> = { q: entry(q!, b), k: entry(k!, b), v: entry(v!, b) };
      if (length > 0) {
        views.question_k = someRows(entry(question_k!, b), 0, length);
        views.question_v = someRows(entry(question_v!, b), 0, length);
      }
      const result = { ...operation.result, shape: [1, rows, columns] as [number, number, number] };
      const alone = await runOperation(devices[2]!, { ...operation, views, result }, options);
      const wanted = whole.slice(b * rows * columns, (b + 1) * rows * columns);
      expect(bitsOf(alone).equals(bitsOf(wanted)), `${table.name}, sample ${b}, ${options.input}`).to.equal(true);
    }
  }
}
