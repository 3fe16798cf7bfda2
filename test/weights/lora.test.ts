import { expect } from 'chai';
import { mkdirSync } from 'node:fs';
import { loadAddon } from '../../lib/binding/load';
import {
  adaptedEmbedding,
  adaptedMatrix,
  NamedTensors,
  openTorchFile,
  TensorFolder,
  type TorchFile,
} from '../../lib/weights';
import { multiplyOn } from '../../lib/weights/device-product';
import type { FoldContext, WeightParameter } from '../../lib/weights/weight-parameter';
import { relativeError } from '../support/compare';
import { expectRejection, expectThrow } from '../support/expect-error';
import { fixture } from '../support/paths';
import { readSafetensors } from '../support/safetensors';
import { f32, type TensorToWrite, writeSafetensors } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';

const QUERY = 'encoder.block.0.layer.0.SelfAttention.q';
const LORA = { alpha: 8 };

describe('LoRA', () => {
  const at = temporaryFolder();
  const device = new (loadAddon().Device)({ kind: 'cpu', threads: 1 });
  const context: FoldContext = { dtype: 'f32', multiply: multiplyOn(device) };
  const merged = readSafetensors(fixture('torch', 'merged.safetensors'));
  let checkpoint: TorchFile;
  let tensors: NamedTensors;

  before(() => {
    checkpoint = openTorchFile(fixture('torch', 'checkpoint.pth'));
    tensors = NamedTensors.of({ path: checkpoint.file.path, all: checkpoint.tensors }, ['base_model.model.']);
  });
  after(async () => {
    checkpoint.file.close();
    await device.close();
  });

  const numbersOf = async (parameter: WeightParameter): Promise<Float32Array> => {
    const { source, dtype } = await parameter.produce(context);
    expect(dtype).to.equal('f32');
    expect(source).to.be.instanceOf(Float32Array);
    return source as Float32Array;
  };

  it("of a linear map is merged as PEFT's arithmetic does", async () => {
    const parameter = adaptedMatrix(tensors, QUERY, [10, 6], LORA);
    expect([parameter.name, parameter.role, [...parameter.shape]]).to.deep.equal([
      `base_model.model.${QUERY}.weight`,
      'matrix',
      [10, 6],
    ]);
    const wanted = merged.get(QUERY)!.data;
    expect(relativeError(await numbersOf(parameter), wanted)).to.be.below(1e-7);
    // Twice, and the stored numbers are still the stored ones.
    expect(relativeError(await numbersOf(parameter), wanted)).to.be.below(1e-7);
  });

  it('of an embedding is merged into one table and leaves the other alone', async () => {
    const stored = tensors.take('shared.weight', [14, 6]).read();
    const parameter = adaptedEmbedding(tensors, 'shared', [14, 6], LORA);
    expect(parameter.role).to.equal('table');
    const numbers = await numbersOf(parameter);
    expect(relativeError(numbers, merged.get('shared')!.data)).to.be.below(1e-7);
    expect(relativeError(numbers, stored)).to.be.above(0.1);
    expect(tensors.take('encoder.embed_tokens.weight', [14, 6]).read()).to.deep.equal(stored);
  });

  it('that is not there leaves the stored weight, read as a region', async () => {
    const { source } = await adaptedMatrix(tensors, QUERY.replace(/q$/, 'k'), [10, 6], LORA).produce(context);
    expect(source).to.be.an('array').with.length(1);
    const table = adaptedEmbedding(tensors, 'lm_head', [14, 6], LORA);
    expect((await table.produce(context)).source).to.be.an('array');
  });

  describe('in a file that does not fit', () => {
    const ones = (...shape: number[]): TensorToWrite =>
      f32(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1));
    const module = (change: Record<string, TensorToWrite> = {}, without = ''): Record<string, TensorToWrite> => {
      const all = {
        'q.weight': ones(3, 2),
        'q.lora_A.default.weight': ones(2, 2),
        'q.lora_B.default.weight': ones(3, 2),
      };
      return Object.fromEntries(Object.entries({ ...all, ...change }).filter(([name]) => name !== without));
    };
    const open = async (all: Record<string, TensorToWrite>): Promise<NamedTensors> => {
      mkdirSync(at('m'), { recursive: true });
      writeSafetensors(at('m', 'model.safetensors'), all);
      const folder = await TensorFolder.open(at('m'));
      after(() => folder.close());
      return NamedTensors.of(folder, ['']);
    };
    const adapted = async (
      all: Record<string, TensorToWrite>,
      options: { alpha: number; adapter?: string } = { alpha: 4 },
    ) => adaptedMatrix(await open(all), 'q', [3, 2], options);

    it('names what is missing or of another shape', async () => {
      await expectRejection(adapted(module({}, 'q.weight')), 'ERR_FORMAT', /tensor q\.weight \[3, 2\]/);
      await expectRejection(
        adapted(module({}, 'q.lora_A.default.weight')),
        'ERR_FORMAT',
        /tensor q\.lora_A\.default\.weight/,
      );
      await expectRejection(
        adapted(module({}, 'q.lora_B.default.weight')),
        'ERR_FORMAT',
        /tensor q\.lora_B\.default\.weight/,
      );
      const narrow = module({ 'q.lora_B.default.weight': ones(3, 1) });
      await expectRejection(adapted(narrow), 'ERR_SHAPE', /\[3, 2\] for tensor q\.lora_B/);
      const empty = module({ 'q.lora_A.default.weight': ones(0, 2), 'q.lora_B.default.weight': ones(3, 0) });
      await expectRejection(adapted(empty), 'ERR_SHAPE', /\[1, 2\] for tensor q\.lora_A/);
    });

    it('scales by alpha / r, under the name of the adapter, also where PEFT wraps the weight', async () => {
      const renamed = Object.entries(module()).map(
        ([name, tensor]) =>
          [name.replace('default', 'mine').replace('q.weight', 'q.base_layer.weight'), tensor] as const,
      );
      const parameter = await adapted(Object.fromEntries(renamed), { alpha: 3, adapter: 'mine' });
      // 1 + 3/2 * (1*1 + 1*1)
      expect([...(await numbersOf(parameter))]).to.deep.equal(Array(6).fill(4));
    });

    it('refuses an alpha that is no number', async () => {
      const all = await open(module());
      for (const alpha of [NaN, Infinity]) {
        expectThrow(
          () => adaptedMatrix(all, 'q', [3, 2], { alpha }),
          'ERR_ARGUMENT',
          /a finite number for alpha of LoRA/,
        );
      }
    });
  });

  it('is merged in parts where the table is large', async () => {
    const [entries, width, rank] = [2_100, 2_048, 2];
    const value = (i: number): number => ((i * 7919) % 13) - 6;
    const numbers = (...shape: number[]) =>
      f32(
        shape,
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i)),
      );
    mkdirSync(at('large'));
    writeSafetensors(at('large', 'model.safetensors'), {
      'e.weight': numbers(entries, width),
      'e.lora_embedding_A.default': numbers(rank, entries),
      'e.lora_embedding_B.default': numbers(width, rank),
    });
    const folder = await TensorFolder.open(at('large'));
    const parts: number[] = [];
    const counted: FoldContext = {
      ...context,
      multiply: (a, b) => {
        parts.push(a.rows);
        return context.multiply(a, b);
      },
    };
    const parameter = adaptedEmbedding(NamedTensors.of(folder, ['']), 'e', [entries, width], { alpha: 1 });
    const { source } = (await parameter.produce(counted)) as { source: Float32Array };
    folder.close();
    expect(parts).to.deep.equal([2_048, 52]);
    for (const [row, column] of [
      [0, 0],
      [2_047, 2_047],
      [2_048, 0],
      [2_099, 2_047],
    ] as const) {
      const delta = value(row) * value(column * 2) + value(entries + row) * value(column * 2 + 1);
      expect(source[row * width + column], `${row}, ${column}`).to.equal(value(row * width + column) + delta / 2);
    }
  });
});
