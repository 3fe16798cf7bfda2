import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { openTorchFile } from '../../../lib/weights/torch/torch-file';
import { expectThrow } from '../../support/expect-error';
import { fixture } from '../../support/paths';

type Expected = Record<string, Record<string, { dtype: string; shape: number[]; values: number[] | null }>>;

/** What training/fixtures/torch_files.py let PyTorch write. */
const file = (name: string): string => fixture('torch', name);
const expected = JSON.parse(readFileSync(file('expected.json'), 'utf8')) as Expected;

describe('files that PyTorch wrote', () => {
  for (const [name, tensors] of Object.entries(expected)) {
    it(`${name} is read to the bit`, () => {
      const opened = openTorchFile(file(name));
      expect(opened.tensors.map((tensor) => tensor.name)).to.deep.equal(Object.keys(tensors));
      for (const tensor of opened.tensors) {
        const { dtype, shape, values } = tensors[tensor.name]!;
        expect(tensor.shape, tensor.name).to.deep.equal(shape);
        if (tensor.name === 'expanded') continue;
        if (values) expect([...tensor.read()], tensor.name).to.deep.equal(values.map(Math.fround));
        else expectThrow(() => tensor.dtype, 'ERR_DTYPE', new RegExp(` received ${dtype}$`));
      }
      opened.file.close();
    });
  }

  it('cover every dtype that is read', () => {
    const read = Object.entries(expected['dtypes.bin']!).filter(([, { values }]) => values !== null);
    expect(read.map(([name]) => name)).to.deep.equal(['F32', 'F16', 'BF16']);
  });

  it('show names that share a storage the same bytes', () => {
    const { file: opened, tensors } = openTorchFile(file('views.bin'));
    const placeOf = (name: string) => {
      const { offset, bytes } = tensors.find((tensor) => tensor.name === name)!;
      return [offset, bytes];
    };
    expect(placeOf('tied')).to.deep.equal(placeOf('base'));
    expect(placeOf('element')).to.deep.equal([placeOf('base')[0]! + 23 * 4, 4]);
    opened.close();
  });

  it('hand a dense view over as a region, and refuse to for a transposed one', () => {
    const { file: opened, tensors } = openTorchFile(file('views.bin'));
    const named = (name: string) => tensors.find((tensor) => tensor.name === name)!;
    expect(named('rows').region().elements).to.equal(12);
    // Their strides along the dimension of one element say nothing.
    expect([named('one_row').region().elements, named('column_of_one').region().elements]).to.deep.equal([6, 1]);
    expectThrow(
      () => named('transposed').region(),
      'ERR_UNSUPPORTED',
      /without strides for tensor transposed .* \[1, 6\]/,
    );
    opened.close();
  });

  it('give out rows of dense and of strided tensors', () => {
    let strided = 0;
    for (const [name, tensors] of Object.entries(expected)) {
      const opened = openTorchFile(file(name));
      for (const tensor of opened.tensors) {
        const { shape, values } = tensors[tensor.name]!;
        const [rows = 0] = shape;
        if (!values || rows < 2 || tensor.name === 'expanded') continue;
        const row = values.length / rows;
        const [first, rest] = [tensor.sliceRows(0, 1), tensor.sliceRows(1, rows)];
        expect([first.shape, rest.shape]).to.deep.equal([
          [1, ...shape.slice(1)],
          [rows - 1, ...shape.slice(1)],
        ]);
        expect([...first.read(), ...rest.read()], tensor.name).to.deep.equal(values.map(Math.fround));
        expect(rest.read()).to.have.length(values.length - row);
        expect(rest.name).to.equal(`${tensor.name}[1:${rows}]`);
        if (tensor.strides) strided += 1;
      }
      opened.file.close();
    }
    expect(strided).to.be.above(0);
  });

  it('refuse an expanded view, whose dense form could be of any size', () => {
    const { file: opened, tensors } = openTorchFile(file('views.bin'));
    const expanded = tensors.find(({ name }) => name === 'expanded')!;
    expectThrow(
      () => expanded.read(),
      'ERR_UNSUPPORTED',
      /repeats no element .* 6 elements as \[5, 6\]; save it \.contiguous\(\)/,
    );
    opened.close();
  });

  it('find the model beside an optimizer, and name the objects of other libraries', () => {
    const { file: opened, at, skipped } = openTorchFile(file('checkpoint.pth'));
    expect(at).to.deep.equal(['model']);
    expect(skipped).to.deep.equal(['omegaconf.dictconfig.DictConfig', 'pathlib.PosixPath']);
    opened.close();
  });

  it('name what a malicious one would run, and run nothing', () => {
    const trace = 'executed-by-a-pickle';
    expect(readFileSync(file('malicious.bin'), 'latin1')).to.contain(`echo > ${trace}`);
    const { file: opened, skipped, tensors } = openTorchFile(file('malicious.bin'));
    expect(skipped).to.deep.equal(['posix.system']);
    expect(tensors).to.have.length(5);
    expect(existsSync(trace)).to.equal(false);
    opened.close();
  });

  it('are refused with advice where they are of another kind', () => {
    expectThrow(
      () => openTorchFile(file('legacy.bin')),
      'ERR_UNSUPPORTED',
      /legacy\.bin but received the format before PyTorch 1\.6; .* torch\.save\(torch\.load\(f, weights_only=True\), f2\)$/,
    );
    expectThrow(
      () => openTorchFile(file('script.pt')),
      'ERR_UNSUPPORTED',
      /script\.pt but received a TorchScript program; .* torch\.save\(torch\.jit\.load\(f\)\.state_dict\(\), f2\)$/,
    );
    expectThrow(
      () => openTorchFile(fixture('ops.json')),
      'ERR_FORMAT',
      /a zip file of torch\.save .* begins with the bytes 7b0a/,
    );
  });
});
