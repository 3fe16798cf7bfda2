import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { narrowed, type StoredDType } from '../../../lib/weights/elements';
import { torchSave } from '../../../lib/weights/torch/torch-save';
import { toBf16 } from '../../support/bf16';
import { toF16 } from '../../support/f16';
import { fixture } from '../../support/paths';
import { requirePython, runPython, TORCH_LOAD } from '../../support/python';
import { floats, random } from '../../support/random';
import { temporaryFolder } from '../../support/temporary';
import { savedTensor } from '../../support/torch-tensor';

const DTYPES = ['f32', 'bf16', 'f16'] as const;
const NAMES = { f32: 'torch.float32', bf16: 'torch.bfloat16', f16: 'torch.float16' };

const bytesOf = (numbers: Float32Array | Uint16Array) =>
  Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
/** By the tests' own rounding. */
const wanted = (numbers: Float32Array, dtype: StoredDType) =>
  bytesOf(dtype === 'f32' ? numbers : dtype === 'bf16' ? toBf16(numbers) : toF16(numbers));
const save = (numbers: Float32Array, dtype: StoredDType, shape: number[]) =>
  torchSave(bytesOf(narrowed(numbers, dtype)), dtype, shape);
/** What the committed files hold; all of it is exact in each type, so that no rounding hides a mistake. */
const SMALL = Float32Array.of(0, -0, 1, -2.5, 0.0009765625, 128);

describe('torch.save', () => {
  const at = temporaryFolder();

  for (const dtype of DTYPES) {
    const numbers = floats(random(1), 7 * 12).map((value, i) => value * 2 ** ((i % 40) - 30));

    it(`writes ${dtype} that our reader reads, bit for bit`, () => {
      const { bytes, ...rest } = savedTensor(save(numbers, dtype, [7, 12]));
      const names = ['data.pkl', 'byteorder', 'data/0', 'version'].map((name) => `archive/${name}`);
      expect(rest).to.deep.equal({ dtype: dtype.toUpperCase(), shape: [7, 12], strides: undefined, names });
      expect(bytes.equals(wanted(numbers, dtype))).to.equal(true);
    });

    it(`writes ${dtype} as the file that PyTorch has accepted`, () => {
      // Made by this writer, and read by torch.load(weights_only=True) of PyTorch 2.13 before it was committed.
      expect(save(SMALL, dtype, [2, 3]).equals(readFileSync(fixture('torch', `saved-${dtype}.pt`)))).to.equal(true);
    });
  }

  it('writes what torch.load(weights_only=True) reads, bit for bit', async function () {
    requirePython(this, 'torch');
    const cases = DTYPES.flatMap((dtype) =>
      [[1, 1], [2, 3], [577, 64], [5]].map((shape) => {
        const count = shape.reduce((a, b) => a * b);
        return { dtype, shape, numbers: count === 6 ? SMALL : floats(random(count), count) };
      }),
    );
    const files = cases.map(({ dtype, shape, numbers }, i) => {
      writeFileSync(at(`${i}.pt`), save(numbers, dtype, shape));
      return at(`${i}.pt`);
    });
    const loaded = (await runPython(TORCH_LOAD, ...files)) as Record<string, unknown>[];
    cases.forEach(({ dtype, shape, numbers }, i) => {
      const strides = shape.length === 1 ? [1] : [shape[1], 1];
      const bytes = wanted(numbers, dtype).toString('hex');
      expect(loaded[i]).to.deep.equal({ dtype: NAMES[dtype], shape, strides, grad: false, bytes });
    });
  });

  it('writes integers of 64 bits that it reads, too', async function () {
    requirePython(this, 'torch');
    const numbers = BigInt64Array.of(1n, -(2n ** 62n), 80n);
    const bytes = new Uint8Array(numbers.buffer);
    writeFileSync(at('integers.pt'), torchSave(bytes, 'i64', [3]));
    const [loaded] = (await runPython(TORCH_LOAD, at('integers.pt'))) as Record<string, unknown>[];
    const wanted = { dtype: 'torch.int64', shape: [3], strides: [1], grad: false };
    expect(loaded).to.deep.equal({ ...wanted, bytes: Buffer.from(bytes).toString('hex') });
  });

  it('puts numbers where PyTorch can map them, behind right checksums', () => {
    const file = save(SMALL, 'bf16', [2, 3]);
    const data = wanted(SMALL, 'bf16');
    const start = file.indexOf(data);
    expect(start % 64).to.equal(0);
    const header = file.lastIndexOf('PK\x03\x04', start);
    expect(file.readUInt32LE(header + 14)).to.equal(crc32(data));
    expect(file.readUInt32LE(header + 18)).to.equal(data.length);
  });
});
