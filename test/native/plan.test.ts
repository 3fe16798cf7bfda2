import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device, Plan } from '../../lib/binding/native';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter, type Shape } from '../support/plan-writer';
import { floats, integer, random } from '../support/random';

/** Bytes as the arena counts them. */
const aligned = (elements: number): number => Math.ceil((elements * 4) / 64) * 64;

describe('native: plans', () => {
  let device: Device;
  before(() => {
    device = new (loadAddon().Device)({ kind: 'reference' });
  });
  after(() => device.close());

  const compile = (writer: PlanWriter): Plan => device.compile(writer.describe(), []);

  describe('arena', () => {
    /**
     * A random plan of copies, and what it must compute. At each step a value is made from a slice of a living one, which may be the
     * last use of that one, or a living one is handed out whole: every byte of it must have lasted until then.
     */
    function randomPlan(seed: number) {
      const next = random(seed);
      const plan = new PlanWriter(`random ${seed}`);
      const width = 16;
      const height = 12;
      const input = plan.input([1, height, width]);
      const data = floats(next, height * width);
      const contents = new Map<number, Float32Array>([[input, data]]);
      const lastRead = new Map<number, number>();
      const born = new Map<number, number>();
      /** A random slice of `from`, of the size of one entry of `to`, into each of its entries. */
      const copy = (from: number, to: number): void => {
        const shape = plan.values[to]!.shape;
        const [batch, rows, cols] = shape;
        const source = contents.get(from)!;
        const [sourceBatch, sourceRows, sourceCols] = plan.values[from]!.shape;
        const entry = integer(next, 0, sourceBatch - 1);
        const firstRow = integer(next, 0, sourceRows - rows);
        const firstCol = integer(next, 0, sourceCols - cols);
        const offset = (entry * sourceRows + firstRow) * sourceCols + firstCol;
        born.set(to, plan.ops.length);
        lastRead.set(from, plan.ops.length);
        plan.op('copy', { x: { value: from, offset, shape, batchStride: 0, rowStride: sourceCols }, y: to });
        const result = new Float32Array(batch * rows * cols);
        result.forEach((_, i) => {
          const [row, col] = [Math.floor(i / cols) % rows, i % cols];
          result[i] = source[offset + row * sourceCols + col]!;
        });
        contents.set(to, result);
      };
      /** The whole of `from`. */
      const copyWhole = (from: number, to: number): void => {
        lastRead.set(from, plan.ops.length);
        plan.op('copy', { x: from, y: to });
        contents.set(to, contents.get(from)!);
      };
      const made: number[] = [];
      const outputs: number[] = [];
      const alive: { value: number; handedOut: boolean }[] = [];
      const steps = integer(next, 5, 60);
      const any = () => alive[integer(next, 0, alive.length - 1)];
      const make = (): void => {
        const parent = next() < 0.8 ? any() : undefined;
        const from = parent?.value ?? input;
        const [, rows, cols] = plan.values[from]!.shape;
        const to = plan.intermediate([integer(next, 1, 3), integer(next, 1, rows), integer(next, 1, cols)]);
        copy(from, to);
        if (parent?.handedOut && next() < 0.7) alive.splice(alive.indexOf(parent), 1);
        made.push(to);
        alive.push({ value: to, handedOut: false });
      };
      const handOut = (entry: { value: number; handedOut: boolean }): void => {
        const output = plan.output(plan.values[entry.value]!.shape);
        copyWhole(entry.value, output);
        outputs.push(output);
        entry.handedOut = true;
      };
      for (let step = 0; step < steps; step += 1) {
        const entry = any();
        if (entry && !entry.handedOut && next() < 0.6) handOut(entry);
        else make();
      }
      alive.filter(({ handedOut }) => !handedOut).forEach(handOut);
      return { plan, data, contents, made, outputs, born, lastRead };
    }

    it('never lets two live values share bytes (random plans, checked by what they compute)', async () => {
      for (let seed = 1; seed <= 60; seed += 1) {
        const { plan, data, contents, outputs } = randomPlan(seed);
        const results = await device.run(compile(plan), [data]);
        results.forEach((result, i) => {
          expect(Array.from(result as Float32Array), `seed ${seed}, output ${i}`).to.deep.equal(
            Array.from(contents.get(outputs[i]!)!),
          );
        });
      }
    });

    it('is never larger than all values side by side and never smaller than what is alive at once', () => {
      for (let seed = 1; seed <= 60; seed += 1) {
        const { plan, made, born, lastRead } = randomPlan(seed);
        const bytes = (value: number): number => aligned(plan.values[value]!.shape.reduce((a, b) => a * b));
        const naive = made.reduce((sum, value) => sum + bytes(value), 0);
        const alive = plan.ops.map((_, at) =>
          made.reduce(
            (sum, value) => sum + (born.get(value)! <= at && at <= lastRead.get(value)! ? bytes(value) : 0),
            0,
          ),
        );
        const { arenaBytes } = compile(plan);
        expect(arenaBytes, `seed ${seed}`).to.be.at.most(naive);
        expect(arenaBytes, `seed ${seed}`).to.be.at.least(Math.max(...alive));
      }
    });

    it('needs for a deep encoder only what one of its layers needs', async () => {
      const [rows, width, hidden] = [20, 32, 128];
      const plan = new PlanWriter('encoder');
      const x = plan.input([1, rows, width]);
      let stream = plan.intermediate([1, rows, width]);
      plan.op('copy', { x, y: stream });
      for (let layer = 0; layer < 24; layer += 1) {
        const normal = plan.intermediate([1, rows, width]);
        const qkv = plan.intermediate([1, rows, 3 * width]);
        const attended = plan.intermediate([1, rows, width]);
        const afterAttention = plan.intermediate([1, rows, width]);
        const again = plan.intermediate([1, rows, width]);
        const mlp = plan.intermediate([1, rows, hidden]);
        const after = plan.intermediate([1, rows, width]);
        const [q, k, v] = [0, 1, 2].map((i) => plan.columns(qkv, i * width, width));
        plan
          .op('layer_norm', { x: stream, y: normal })
          .op('linear', { x: normal, y: qkv }, { weight: 0 })
          .op('concat_attention', { q: q!, k: k!, v: v!, out: attended }, {}, { heads: 2 })
          .op('linear', { x: attended, residual: stream, y: afterAttention }, { weight: 1 })
          .op('layer_norm', { x: afterAttention, y: again })
          .op('linear', { x: again, y: mlp }, { weight: 2 })
          .op('linear', { x: mlp, residual: afterAttention, y: after }, { weight: 3 });
        stream = after;
      }
      plan.op('copy', { x: stream, y: plan.output([1, rows, width]) });
      const matrix = (out: number, input: number) => ({
        source: new Float32Array(out * input),
        dtype: 'f32' as const,
        shape: [1, out, input] as Shape,
        role: 'matrix' as const,
        computeDtype: 'f32' as const,
      });
      const weights = await device.upload([
        matrix(3 * width, width),
        matrix(width, width),
        matrix(hidden, width),
        matrix(width, hidden),
      ]);
      const { arenaBytes } = device.compile(plan.describe(), weights);
      // The widest moment: stream or its successor twice, and the MLP's hidden rows.
      expect(arenaBytes).to.equal(4 * rows * (2 * width + hidden));
    });

    it('gives a value that nobody reads a place of its own', async () => {
      const plan = new PlanWriter('unread');
      const x = plan.input([1, 1, 64]);
      const kept = plan.intermediate([1, 1, 64]);
      const unread = plan.intermediate([4, 1, 64]);
      plan.op('copy', { x, y: kept });
      plan.op('copy', { x: { ...plan.whole(x), shape: [4, 1, 64], batchStride: 0 }, y: unread });
      plan.op('copy', { x: kept, y: plan.output([1, 1, 64]) });
      const compiled = compile(plan);
      expect(compiled.arenaBytes).to.equal(5 * 256);
      const data = floats(random(1), 64);
      expect(Array.from((await device.run(compiled, [data]))[0] as Float32Array)).to.deep.equal(Array.from(data));
    });

    it('gives an unused value no place', () => {
      const plan = new PlanWriter();
      const x = plan.input([1, 1, 8]);
      plan.intermediate([1, 1000, 1000]);
      plan.op('copy', { x, y: plan.output([1, 1, 8]) });
      expect(compile(plan).arenaBytes).to.equal(0);
    });

    it('answers ERR_OUT_OF_MEMORY to a plan that claims 2^50 bytes', async () => {
      const plan = new PlanWriter('huge');
      const x = plan.input([1, 1, 16]);
      const huge = plan.intermediate([2 ** 44, 1, 16]);
      const broadcast = { value: x, offset: 0, shape: [2 ** 44, 1, 16] as Shape, batchStride: 0, rowStride: 16 };
      plan.op('copy', { x: broadcast, y: huge });
      plan.op('copy', { x: { ...plan.whole(huge), shape: [1, 1, 16] as Shape }, y: plan.output([1, 1, 16]) });
      const compiled = compile(plan);
      expect(compiled.arenaBytes).to.equal(2 ** 50);
      await expectRejection(device.run(compiled, [new Float32Array(16)]), 'ERR_OUT_OF_MEMORY');
    });

    it('answers ERR_OUT_OF_MEMORY to a result that no array can hold', async () => {
      for (const batch of [2 ** 20, 2 ** 27, 2 ** 44]) {
        const plan = new PlanWriter('huge');
        const x = plan.input([1, 1, 4096]);
        const broadcast = { value: x, offset: 0, shape: [batch, 1, 4096] as Shape, batchStride: 0, rowStride: 4096 };
        plan.op('copy', { x: broadcast, y: plan.output([batch, 1, 4096]) });
        await expectRejection(device.run(compile(plan), [new Float32Array(4096)]), 'ERR_OUT_OF_MEMORY');
      }
    });

    it('answers ERR_OUT_OF_MEMORY to an arena whose size overflows', () => {
      const plan = new PlanWriter('overflowing');
      const x = plan.input([1, 1, 16]);
      const shape: Shape = [2 ** 50, 1, 1024];
      const broadcast = { value: x, offset: 0, shape: [2 ** 50, 64, 16] as Shape, batchStride: 0, rowStride: 0 };
      const values = [0, 1, 2, 3].map(() => plan.intermediate(shape));
      for (const y of values) {
        plan.op('copy', {
          x: broadcast,
          y: { value: y, offset: 0, shape: [2 ** 50, 64, 16], batchStride: 1024, rowStride: 16 },
        });
      }
      const sum = plan.output([1, 4, 1]);
      values.forEach((value, i) => {
        plan.op('copy', { x: { ...plan.whole(value), shape: [1, 1, 1] as Shape }, y: plan.rows(sum, i, 1) });
      });
      expectThrow(() => compile(plan), 'ERR_OUT_OF_MEMORY');
    });
  });

  describe('description', () => {
    /** A plan that holds until `change` spoils it. */
    function spoiled(change: (plan: PlanWriter, x: number, y: number) => void): () => Plan {
      const plan = new PlanWriter('spoiled');
      const x = plan.input([1, 4, 8]);
      const y = plan.output([1, 4, 8]);
      change(plan, x, y);
      return () => compile(plan);
    }

    it('holds a view to its value', () => {
      for (const view of [
        { value: 0, offset: 1, shape: [1, 4, 8] as Shape, batchStride: 32, rowStride: 8 },
        { value: 0, offset: 0, shape: [1, 4, 8] as Shape, batchStride: 32, rowStride: 9 },
        { value: 0, offset: 0, shape: [2, 2, 8] as Shape, batchStride: 24, rowStride: 8 },
      ]) {
        const [batch, rows] = view.shape;
        expectThrow(
          () => {
            const plan = new PlanWriter('spoiled');
            plan.input([1, 4, 8]);
            return compile(plan.op('copy', { x: view, y: plan.output([batch, rows, 8]) }));
          },
          'ERR_ARGUMENT',
          /^Expected x inside value 0 \[1, 4, 8\] for copy op0 but received elements from/,
        );
      }
    });

    it('refuses a read of what nothing has written', () => {
      const action = spoiled((plan, _x, y) => plan.op('copy', { x: plan.intermediate([1, 4, 8]), y }));
      expectThrow(
        action,
        'ERR_ARGUMENT',
        /^Expected x written by an earlier operation for copy op0 but received value 2/,
      );
    });

    it('refuses a read of what is only partly written', () => {
      const halves = (second: boolean) =>
        spoiled((plan, x, y) => {
          const middle = plan.intermediate([1, 4, 8]);
          plan.op('copy', { x: plan.columns(x, 0, 4), y: plan.columns(middle, 0, 4) });
          if (second) plan.op('copy', { x: plan.columns(x, 4, 4), y: plan.columns(middle, 4, 4) });
          plan.op('copy', { x: middle, y });
        });
      expectThrow(halves(false), 'ERR_ARGUMENT', /^Expected x written by an earlier operation for copy op1/);
      expect(halves(true)().name).to.equal('spoiled');
    });

    it('refuses an output that is not wholly written', () => {
      const action = spoiled((plan, x, y) => plan.op('copy', { x: plan.rows(x, 0, 3), y: plan.rows(y, 0, 3) }));
      expectThrow(action, 'ERR_ARGUMENT', /^Expected every element of output value 1 to be written for plan spoiled/);
    });

    it('refuses to write an input', () => {
      const action = spoiled((plan, x, y) => plan.op('copy', { x, y }).op('copy', { x: y, y: x }));
      expectThrow(
        action,
        'ERR_ARGUMENT',
        /^Expected a writable value behind y for copy op1 but received value 0, an input/,
      );
    });

    it('refuses an output laid over an input, in every direction', () => {
      for (const [from, to, fine] of [
        [0, 0, false],
        [0, 3, false],
        [3, 0, false],
        [0, 4, true],
        [4, 0, true],
      ] as const) {
        const columns = spoiled((plan, x, y) => {
          const middle = plan.intermediate([1, 4, 8]);
          plan.op('copy', { x, y: middle });
          plan
            .op('copy', { x: plan.columns(middle, from, 4), y: plan.columns(middle, to, 4) })
            .op('copy', { x: middle, y });
        });
        const rows = spoiled((plan, x, y) => {
          const middle = plan.intermediate([2, 8, 4]);
          const again = { ...plan.whole(x), shape: [2, 8, 4] as Shape, batchStride: 0, rowStride: 0 };
          plan.op('copy', { x: again, y: middle });
          plan.op('copy', { x: plan.rows(middle, from, 4), y: plan.rows(middle, to, 4) }).op('copy', { x, y });
        });
        for (const action of [columns, rows]) {
          if (fine) expect(action().name).to.equal('spoiled');
          else
            expectThrow(
              action,
              'ERR_ARGUMENT',
              /^Expected y apart from x for copy op1 but received views that overlap/,
            );
        }
      }
    });

    it('refuses an output whose own rows overlap', () => {
      const action = spoiled((plan, x, y) => plan.op('copy', { x, y: { ...plan.whole(y), rowStride: 4 } }));
      expectThrow(
        action,
        'ERR_SHAPE',
        /^Expected output y whose rows do not overlap for copy op0 but received strides 32, 4 over/,
      );
    });

    it('takes a list of ends that names each value of its kind once', () => {
      const plan = new PlanWriter('ends');
      const x = plan.input([1, 4, 8]);
      const y = plan.output([1, 4, 8]);
      const good = plan.op('copy', { x, y }).describe();
      expectThrow(() => device.compile({ ...good, inputs: [] }, []), 'ERR_ARGUMENT', /without value 0$/);
      expectThrow(() => device.compile({ ...good, inputs: [0, 0] }, []), 'ERR_ARGUMENT', /listed twice$/);
      expectThrow(() => device.compile({ ...good, inputs: [1] }, []), 'ERR_ARGUMENT', /value 1, an output$/);
      expectThrow(() => device.compile({ ...good, outputs: [2] }, []), 'ERR_ARGUMENT', /integer 0 to 1/);
      expectThrow(() => device.compile({ ...good, ops: [] }, []), 'ERR_ARGUMENT', /1 to 16384 operations/);
    });

    it('takes indices from inputs only, so that they can be looked at', () => {
      const plan = new PlanWriter('indices');
      const source = plan.input([2, 1, 8]);
      const index = plan.intermediate([1, 1, 3], 'i32');
      plan.op('gather_rows', { source, index, out: plan.output([3, 1, 8]) });
      expectThrow(() => compile(plan), 'ERR_ARGUMENT', /^Expected index written by an earlier operation/);
    });
  });

  describe('numbers looked at before a run', () => {
    it('refuses an index outside its source, by value and from the device', async () => {
      const plan = new PlanWriter('gather');
      const source = plan.input([2, 1, 4]);
      const index = plan.input([1, 1, 3], 'i32');
      plan.op('gather_rows', { source, index, out: plan.output([3, 1, 4]) });
      const compiled = compile(plan);
      const rows = Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
      const [gathered] = await device.run(compiled, [rows, Int32Array.of(1, 0, 1)]);
      expect(Array.from(gathered as Float32Array)).to.deep.equal([4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
      for (const wrong of [-1, 2, 2147483647, -2147483648]) {
        await expectRejection(
          device.run(compiled, [rows, Int32Array.of(0, wrong, 0)]),
          'ERR_ARGUMENT',
          `Expected 0 to 1 for index of gather_rows op0, entry 1 but received ${wrong}`,
        );
      }
    });

    it('refuses a length outside 0 to K', async () => {
      const plan = new PlanWriter('lengths');
      const [batch, rows, keys, width] = [2, 3, 4, 8];
      const q = plan.input([batch, rows, width]);
      const question = plan.input([batch, keys, width]);
      const lengths = plan.input([1, 1, batch], 'i32');
      const out = plan.output([batch, rows, width]);
      const views = { q, k: q, v: q, question_k: question, question_v: question, question_lengths: lengths, out };
      const compiled = compile(plan.op('concat_attention', views, {}, { heads: 2 }));
      const inputs = [floats(random(1), batch * rows * width), floats(random(2), batch * keys * width)];
      for (const [a, b] of [
        [0, 4],
        [4, 0],
      ] as const) {
        const [result] = await device.run(compiled, [...inputs, Int32Array.of(a, b)]);
        expect((result as Float32Array).every(Number.isFinite)).to.equal(true);
      }
      await expectRejection(
        device.run(compiled, [...inputs, Int32Array.of(4, 5)]),
        'ERR_ARGUMENT',
        'Expected 0 to 4 for question_lengths of concat_attention op0, entry 1 but received 5',
      );
      await expectRejection(device.run(compiled, [...inputs, Int32Array.of(-1, 0)]), 'ERR_ARGUMENT');
    });
  });
});
