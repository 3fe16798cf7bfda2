/** The CPU backend as a device: which code path and how many threads, what it refuses, and weights from wherever they lie. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAddon } from '../../lib/binding/load';
import type { CpuIsa, Device, DeviceOptions, WeightUpload } from '../../lib/binding/native';
import { fromBf16, toBf16 } from '../support/bf16';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter } from '../support/plan-writer';
import { floats, random } from '../support/random';

const addon = loadAddon();
const bytesOf = (result: unknown): Buffer => Buffer.from((result as Float32Array).buffer);
const open = (options: Omit<DeviceOptions, 'kind'> = {}): Device => new addon.Device({ kind: 'cpu', ...options });

/** The affinity mask of a process bound to one of 8,192 cores. */
const ONE_OF_MANY_CORES = `
  #define _GNU_SOURCE
  #include <errno.h>
  #include <sched.h>
  #include <string.h>
  int sched_getaffinity(pid_t process, size_t size, cpu_set_t *set) {
    if (size < 8192 / 8) {
      errno = EINVAL;
      return -1;
    }
    memset(set, 0, size);
    CPU_SET(0, set);
    return 0;
  }
`;

describe('native: CPU devices', () => {
  const environment = process.env.QAVIT_CPU;
  afterEach(() => {
    if (environment === undefined) delete process.env.QAVIT_CPU;
    else process.env.QAVIT_CPU = environment;
  });

  it('says what it is and chooses the fastest code path', async () => {
    delete process.env.QAVIT_CPU;
    const device = open();
    const { kind, name, isa, threads, dtypes } = device.info;
    expect([kind, isa]).to.deep.equal(['cpu', addon.cpuIsas()[0]]);
    expect(name).to.not.equal('');
    expect(threads).to.be.within(1, availableParallelism());
    // int8 comes last: 'auto' takes the first.
    expect(dtypes).to.deep.equal(/bf16$/.test(isa ?? '') ? ['bf16', 'f32', 'int8'] : ['f32', 'bf16', 'int8']);
    await device.close();
  });

  it('always has the generic code path, listed last', () => {
    expect(addon.cpuIsas().at(-1)).to.equal('generic');
  });

  for (const isa of addon.cpuIsas()) {
    it(`takes ${isa} from QAVIT_CPU and from its options, which win`, async () => {
      process.env.QAVIT_CPU = isa;
      const byEnvironment = open();
      process.env.QAVIT_CPU = 'generic';
      const byOptions = open({ isa });
      expect([byEnvironment.info.isa, byOptions.info.isa]).to.deep.equal([isa, isa]);
      await Promise.all([byEnvironment.close(), byOptions.close()]);
    });
  }

  it('refuses a code path that the processor lacks, naming those it has', () => {
    process.env.QAVIT_CPU = 'altivec';
    const has = [...addon.cpuIsas()].reverse().join(', ');
    expectThrow(
      () => open(),
      'ERR_UNSUPPORTED',
      `Expected an instruction set of this processor (${has}) for QAVIT_CPU but received altivec`,
    );
  });

  it('starts as many threads as asked', async () => {
    for (const threads of [1, 5, 256]) {
      const device = open({ threads });
      expect(device.info.threads).to.equal(threads);
      await device.close();
    }
  });

  it('starts no more than it may use, on a kernel whose masks are wider than a cpu_set_t', function () {
    if (process.platform !== 'linux') this.skip();
    const folder = mkdtempSync(path.join(tmpdir(), 'qavit-affinity-'));
    try {
      const [source, library] = [path.join(folder, 'mask.c'), path.join(folder, 'mask.so')];
      writeFileSync(source, ONE_OF_MANY_CORES);
      execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-o', library, source]);
      const binding = JSON.stringify(require.resolve('../../lib/binding/load'));
      const script = `console.log(new (require(${binding}).loadAddon().Device)({ kind: 'cpu' }).info.threads)`;
      const preload = [process.env.LD_PRELOAD, library].filter(Boolean).join(':');
      const env = { ...process.env, LD_PRELOAD: preload };
      expect(execFileSync(process.execPath, ['-e', script], { env, encoding: 'utf8' })).to.equal('1\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses heads wider than its tiles', async () => {
    const device = open();
    const compile = (width: number) => {
      const plan = new PlanWriter();
      const [q, k, v] = [plan.input([1, 2, width]), plan.input([1, 2, width]), plan.input([1, 2, width])];
      plan.op('concat_attention', { q, k, v, out: plan.output([1, 2, width]) }, {}, { heads: 1, scale: 1 });
      return device.compile(plan.describe(), []);
    };
    compile(256);
    expectThrow(() => compile(257), 'ERR_UNSUPPORTED', /^Expected heads of width 1 to 256 for .* but received 257 /);
    await device.close();
  });

  it('refuses f16', async () => {
    const device = open();
    const plan = new PlanWriter();
    plan.op('copy', { x: plan.input([1, 1, 1], 'f16'), y: plan.output([1, 1, 1]) });
    expectThrow(
      () => device.compile(plan.describe(), []),
      'ERR_DTYPE',
      /^Expected x in f32 or bf16 for .* but received f16 /,
    );
    const source = new Uint16Array(1);
    const item: WeightUpload = { source, dtype: 'f16', shape: [1, 1, 1], role: 'matrix', computeDtype: 'f16' };
    await expectRejection(device.upload([item]), 'ERR_DTYPE');
    await device.close();
  });

  it('says when memory does not suffice and works on', async () => {
    const device = open();
    const plan = new PlanWriter();
    const huge = plan.intermediate([1, 2 ** 20, 2 ** 24]);
    const [x, y] = [plan.input([1, 1, 1]), plan.output([1, 1, 1])];
    plan.op('copy', { x, y: { ...plan.whole(huge), shape: [1, 1, 1] } });
    plan.op('copy', { x: { ...plan.whole(huge), shape: [1, 1, 1] }, y });
    const compiled = device.compile(plan.describe(), []);
    await expectRejection(device.run(compiled, [Float32Array.of(1)]), 'ERR_OUT_OF_MEMORY');
    const small = new PlanWriter();
    small.op('copy', { x: small.input([1, 1, 1]), y: small.output([1, 1, 1]) });
    const [result] = await device.run(device.compile(small.describe(), []), [Float32Array.of(7)]);
    expect(Array.from(result as Float32Array)).to.deep.equal([7]);
    await device.close();
  });

  it('computes the same after its threads have gone to sleep', async () => {
    const device = open({ threads: 4 });
    const width = 256;
    const source = floats(random(1), width * width);
    const [weight] = await device.upload([
      { source, dtype: 'f32', shape: [1, width, width], role: 'matrix', computeDtype: 'f32' },
    ]);
    const plan = new PlanWriter();
    plan.op('linear', { x: plan.input([1, 64, width]), y: plan.output([1, 64, width]) }, { weight: 0 });
    const compiled = device.compile(plan.describe(), [weight!]);
    const x = floats(random(2), 64 * width);
    const [first] = await device.run(compiled, [x]);
    for (let i = 0; i < 100; i += 1) {
      if (i % 10 === 0) await sleep(5);
      const [again] = await device.run(compiled, [x]);
      expect(Buffer.compare(bytesOf(first), bytesOf(again)), `run ${i}`).to.equal(0);
    }
    await device.close();
  });
});

describe('native: cpuPeak', () => {
  it('measures a speed', () => {
    expect(addon.cpuPeak('generic', 'f32', 1)).to.be.within(0.1, 10_000);
  });

  it('refuses what it does not know', () => {
    expectThrow(() => addon.cpuPeak('altivec' as CpuIsa, 'f32', 1), 'ERR_UNSUPPORTED');
    expectThrow(() => addon.cpuPeak('generic', 'u8' as 'f32', 1), 'ERR_DTYPE');
    for (const threads of [0, 257, 1.5, NaN]) {
      expectThrow(() => addon.cpuPeak('generic', 'f32', threads), 'ERR_ARGUMENT');
    }
    expectThrow(() => (addon.cpuPeak as () => number)(), 'ERR_ARGUMENT');
  });
});

describe('native: weights of CPU devices', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'qavit-cpu-'));
  after(() => rmSync(folder, { recursive: true }));

  const [out, inner] = [45, 67];
  /** Exact in every dtype, so that sources of all dtypes mean the same numbers. */
  const values = Float32Array.from({ length: out * inner }, (_, i) => ((i * 37) % 65) / 32 - 1);
  const f16 = Uint16Array.from(values, halfOf);

  /** x W^T of one row of ones: row sums, which are exact. */
  async function rowSums(device: Device, item: Pick<WeightUpload, 'source' | 'dtype' | 'computeDtype'>) {
    const [weight] = await device.upload([{ ...item, shape: [1, out, inner], role: 'matrix' }]);
    const dtype = item.computeDtype as 'f32' | 'bf16';
    const plan = new PlanWriter();
    plan.op('linear', { x: plan.input([1, 1, inner], dtype), y: plan.output([1, 1, out]) }, { weight: 0 });
    const ones = new Float32Array(inner).fill(1);
    const [sums] = await device.run(device.compile(plan.describe(), [weight!]), [
      dtype === 'bf16' ? toBf16(ones) : ones,
    ]);
    return Array.from(sums as Float32Array);
  }

  for (const isa of addon.cpuIsas()) {
    it(`${isa}: every source dtype, in memory and at odd places of a file`, async () => {
      const device = open({ isa });
      const wanted = Array.from({ length: out }, (_, o) =>
        values.subarray(o * inner, (o + 1) * inner).reduce((a, b) => a + b),
      );
      const sources = { f32: values, bf16: toBf16(values), f16 };
      expect(Array.from(fromBf16(sources.bf16))).to.deep.equal(Array.from(values));
      for (const [dtype, source] of Object.entries(sources) as ['f32' | 'bf16' | 'f16', Float32Array | Uint16Array][]) {
        const file = path.join(folder, `${isa}-${dtype}`);
        writeFileSync(file, Buffer.concat([Buffer.from('odd'), Buffer.from(source.buffer)]));
        const mapped = new addon.MappedFile(file);
        for (const computeDtype of ['f32', 'bf16'] as const) {
          expect(await rowSums(device, { source, dtype, computeDtype }), dtype).to.deep.equal(wanted);
          const region = { file: mapped, offset: 3, elements: source.length, name: dtype };
          expect(await rowSums(device, { source: [region], dtype, computeDtype }), dtype).to.deep.equal(wanted);
        }
        mapped.close();
      }
      await device.close();
    });
  }
});

describe('native: products on CPU devices', () => {
  it('multiplies more rows than it packs at once', async () => {
    // 1024 rows of 4096 numbers are 16 MB; two groups, so that rounds are counted in each.
    const [groups, out, inputs, rows] = [2, 3, 4096, 1100];
    const device = open();
    const x = floats(random(8), rows * groups * inputs);
    const numbers = floats(random(9), groups * out * inputs);
    const [weight] = await device.upload([
      { source: numbers, dtype: 'f32', shape: [groups, out, inputs], role: 'matrix', computeDtype: 'f32' },
    ]);
    const plan = new PlanWriter('rounds');
    const views = { x: plan.input([1, rows, groups * inputs]), y: plan.output([1, rows, groups * out]) };
    plan.op('linear', views, { weight: 0 }, { activation: 'none', alpha: 1 });
    const [result] = await device.run(device.compile(plan.describe(), [weight!]), [x]);
    for (const row of [0, 549, 550, 1023, 1024, 1099]) {
      for (let column = 0; column < groups * out; column += 1) {
        const group = Math.floor(column / out);
        const from = x.subarray((row * groups + group) * inputs, (row * groups + group + 1) * inputs);
        const wanted = from.reduce((sum, value, i) => sum + value * numbers[column * inputs + i]!, 0);
        expect((result as Float32Array)[row * groups * out + column], `${row}, ${column}`).to.be.closeTo(wanted, 1e-2);
      }
    }
    await device.close();
  });

  it('embeds more patches than it packs at once', async () => {
    // 1365 patches of 32 x 32 x 3 numbers are 16 MB.
    const [patch, across, down, width] = [32, 35, 40, 2];
    const device = open();
    const area = patch * patch * 3;
    const pixels = Uint8Array.from(floats(random(10), across * down * area), (value) => Math.floor(128 + 64 * value));
    const [numbers, table] = [floats(random(11), width * area), floats(random(12), across * down * width)];
    const weights = await device.upload([
      { source: numbers, dtype: 'f32', shape: [1, width, area], role: 'matrix', computeDtype: 'f32' },
      { source: table, dtype: 'f32', shape: [1, across * down, width], role: 'table', computeDtype: 'f32' },
    ]);
    const plan = new PlanWriter('rounds');
    const line = across * patch * 3;
    const views = { pixels: plan.input([1, down * patch, line], 'u8'), out: plan.output([1, across * down, width]) };
    plan.op('patch_embed', views, { weight: 0, table: 1 }, { patch, has_class: false });
    const [result] = await device.run(device.compile(plan.describe(), weights), [pixels]);
    for (const at of [0, 699, 700, 1399]) {
      const corner = Math.floor(at / across) * patch * line + (at % across) * patch * 3;
      for (let column = 0; column < width; column += 1) {
        let wanted = table[at * width + column]!;
        for (let i = 0; i < area; i += 1) {
          const pixel = pixels[corner + Math.floor(i / (patch * 3)) * line + (i % (patch * 3))]!;
          wanted += pixel * numbers[column * area + i]!;
        }
        expect((result as Float32Array)[at * width + column], `${at}, ${column}`).to.be.closeTo(wanted, 0.5);
      }
    }
    await device.close();
  });
});

/** An f16 of a multiple of 1/32 in [-1, 1]. */
function halfOf(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const mantissa = (Math.abs(value) / 2 ** exponent - 1) * 1024;
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | mantissa;
}
