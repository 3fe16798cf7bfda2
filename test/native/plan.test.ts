import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceTensor, Plan, ViewDescription } from '../../lib/binding/native';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter, type Shape } from '../support/plan-writer';
import { floats, random } from '../support/random';

describe('native: plans', () => {
  let device: Device;
  before(() => {
    device = new (loadAddon().Device)({ kind: 'reference' });
  });
  after(() => device.close());

  const compile = (writer: PlanWriter): Plan => device.compile(writer.describe(), []);

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

    describe('of any layout', () => {
      const next = random(5);
      const upTo = (most: number): number => Math.floor(next() * (most + 1));

      /** A view of 64 elements, with rows that lie apart where it is written; often with the strides of another. */
      function anyView(
        value: number,
        [batch, rows, columns]: Shape,
        written: boolean,
        like?: ViewDescription,
      ): ViewDescription {
        for (;;) {
          let rowStride = (written ? columns : 0) + upTo(next() < 0.5 ? 0 : 8);
          if (like && next() < 0.5 && like.rowStride >= columns) ({ rowStride } = like);
          const entry = (rows - 1) * rowStride + columns;
          let batchStride = (written ? entry : 0) + upTo(next() < 0.5 ? 0 : 16);
          if (like && next() < 0.5 && like.batchStride >= entry) ({ batchStride } = like);
          const view = { value, offset: upTo(63), shape: [batch, rows, columns] as Shape, batchStride, rowStride };
          if (Math.max(...elementsOf(view)) < 64) return view;
        }
      }
      const anyShape = (): Shape => [1 + upTo(1), 1 + upTo(3), 1 + upTo(3)];

      function elementsOf({
        offset,
        shape: [batch, rows, columns],
        batchStride,
        rowStride,
      }: ViewDescription): number[] {
        return Array.from({ length: batch * rows * columns }, (_, i) => {
          const row = Math.floor(i / columns);
          return offset + Math.floor(row / rows) * batchStride + (row % rows) * rowStride + (i % columns);
        });
      }

      it('refuses every output that is laid over an input', () => {
        const found = { refused: 0, taken: 0 };
        for (let i = 0; i < 4000; i += 1) {
          const plan = new PlanWriter('laid over');
          const [x, middle, y] = [plan.input([1, 8, 8]), plan.intermediate([1, 8, 8]), plan.output([1, 8, 8])];
          const shape = anyShape();
          const from = anyView(middle, shape, next() < 0.5);
          const to = anyView(middle, shape, true, from);
          plan.op('copy', { x, y: middle }).op('copy', { x: from, y: to }).op('copy', { x: middle, y });
          const read = new Set(elementsOf(from));
          if (!elementsOf(to).some((element) => read.has(element))) {
            // What cannot be told from the strides alone may be refused too.
            try {
              compile(plan);
              found.taken += 1;
            } catch {
              continue;
            }
          } else {
            expectThrow(() => compile(plan), 'ERR_ARGUMENT', /^Expected y apart from x for copy op1/);
            found.refused += 1;
          }
        }
        expect(Math.min(found.refused, found.taken)).to.be.greaterThan(300);
      });

      it('reads what was written, and nothing else', () => {
        const found = { refused: 0, taken: 0 };
        for (let i = 0; i < 3000; i += 1) {
          const plan = new PlanWriter('written');
          const [x, middle] = [plan.input([1, 4, 8]), plan.intermediate([1, 8, 8])];
          const written = new Set<number>();
          for (let parts = 1 + upTo(4); parts > 0; parts -= 1) {
            const to = anyView(middle, [1 + upTo(1), 1 + upTo(3), 1 + upTo(7)], true);
            plan.op('copy', { x: { ...plan.whole(x), shape: to.shape, batchStride: 0, rowStride: 0 }, y: to });
            for (const element of elementsOf(to)) written.add(element);
          }
          const from = anyView(middle, anyShape(), false);
          plan.op('copy', { x: from, y: plan.output(from.shape) });
          const whole = elementsOf(from).every((element) => written.has(element));
          if (whole) expect(compile(plan).name).to.equal('written');
          else expectThrow(() => compile(plan), 'ERR_ARGUMENT', /^Expected x written by an earlier operation/);
          found[whole ? 'taken' : 'refused'] += 1;
        }
        expect(Math.min(found.refused, found.taken)).to.be.greaterThan(300);
      });
    });

    it('refuses an output whose own rows overlap', () => {
      const action = spoiled((plan, x, y) => plan.op('copy', { x, y: { ...plan.whole(y), rowStride: 4 } }));
      expectThrow(
        action,
        'ERR_SHAPE',
        /^Expected output y whose rows do not overlap for copy op0 but received strides 32, 4 over/,
      );
      const samples = spoiled((plan, x, y) => {
        const two = { shape: [2, 2, 8] as Shape, batchStride: 8 };
        plan.op('copy', { x: { ...plan.whole(x), ...two }, y: { ...plan.whole(y), ...two } });
      });
      expectThrow(samples, 'ERR_SHAPE', /^Expected output y whose rows do not overlap .* strides 8, 8 over/);
    });

    it('refuses strides that no number of elements can tell', () => {
      const far = Number.MAX_SAFE_INTEGER;
      const action = spoiled((plan, x, y) => {
        const view = { ...plan.whole(x), shape: [514, 514, 1] as Shape, batchStride: far, rowStride: far };
        plan.op('copy', { x: view, y: plan.intermediate([514, 514, 1]) }).op('copy', { x, y });
      });
      expectThrow(action, 'ERR_SHAPE', /^Expected x with strides >= 0 that can be addressed for copy op0/);
    });

    it('takes tensors of its dtype and shape only', async () => {
      const plan = new PlanWriter('tensors');
      plan.op('copy', { x: plan.input([1, 4, 8]), y: plan.output([1, 4, 8]) });
      const compiled = compile(plan);
      const narrow = await device.write(new Uint16Array(32), { dtype: 'bf16', shape: [1, 4, 8] });
      const short = await device.write(new Float32Array(16), { dtype: 'f32', shape: [1, 2, 8] });
      const wide = await device.write(new Float32Array(32), { dtype: 'f32', shape: [1, 4, 8] });
      const refuse = (tensor: DeviceTensor, code: 'ERR_DTYPE' | 'ERR_SHAPE', message: RegExp) =>
        // Some of what is wrong is thrown, and some rejected.
        expectRejection((async () => device.run(compiled, [tensor]))(), code, message);
      await refuse(narrow, 'ERR_DTYPE', /^Expected f32 for input 0 of plan tensors but received bf16$/);
      await refuse(short, 'ERR_SHAPE', /^Expected \[1, 4, 8\] for input 0 of plan tensors but received \[1, 2, 8\]$/);
      expect(await device.run(compiled, [wide])).to.have.length(1);
      for (const tensor of [narrow, short, wide]) tensor.dispose();
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

    it('holds each index to the bounds of its own operation, and looks at no other', async () => {
      const plan = new PlanWriter('indices');
      const [few, many] = [plan.input([2, 1, 8]), plan.input([5, 1, 8])];
      const [first, second] = [plan.input([1, 1, 3], 'i32'), plan.input([1, 1, 1], 'i32')];
      const index = { ...plan.columns(first, 1, 2) };
      plan.op('gather_rows', { source: few, index, out: plan.output([2, 1, 8]) });
      plan.op('gather_rows', { source: many, index: second, out: plan.output([1, 1, 8]) });
      const compiled = compile(plan);
      const run = (of: readonly number[], other: number) =>
        device.run(compiled, [floats(random(1), 16), floats(random(2), 40), Int32Array.from(of), Int32Array.of(other)]);
      expect(await run([99, 0, 1], 4)).to.have.length(2);
      const refuse = (of: readonly number[], other: number, message: RegExp) =>
        expectRejection(run(of, other), 'ERR_ARGUMENT', message);
      await refuse([0, 2, 1], 4, /^Expected 0 to 1 for index of gather_rows op0, entry 0 but received 2$/);
      await refuse([0, 0, -1], 4, /op0, entry 1 but received -1$/);
      await refuse([0, 0, 1], 5, /^Expected 0 to 4 for index of gather_rows op1, entry 0 but received 5$/);
    });

    it('adds in place only where the residual is the result itself', async () => {
      const [weight] = await device.upload([
        { source: new Float32Array(4), dtype: 'f32', shape: [1, 2, 2], role: 'matrix', computeDtype: 'f32' },
      ]);
      const add = (residual: Partial<ViewDescription>): (() => Plan) => {
        const plan = new PlanWriter('in place');
        const [x, middle] = [plan.input([1, 4, 2]), plan.intermediate([1, 8, 2])];
        const twice = { ...plan.whole(x), shape: [1, 8, 2] as Shape, rowStride: 0 };
        plan.op('copy', { x: twice, y: middle });
        const y = plan.rows(middle, 0, 4);
        const views = { x, residual: { ...y, ...residual }, y };
        plan.op('linear', views, { weight: 0 }, { activation: 'none', alpha: 1 });
        plan.op('copy', { x: middle, y: plan.output([1, 8, 2]) });
        return () => device.compile(plan.describe(), [weight!]);
      };
      expect(add({})().name).to.equal('in place');
      for (const other of [{ offset: 2 }, { offset: 1 }, { rowStride: 4 }, { rowStride: 0 }]) {
        expectThrow(
          add(other),
          'ERR_ARGUMENT',
          /^Expected y apart from residual for linear op1 .* views that overlap$/,
        );
      }
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
