import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import type { QAViTErrorCode } from '../../../lib/errors';
import { addFingerprint } from '../../../lib/weights';
import { openTorchFile, type TorchFile, type TorchFileOptions } from '../../../lib/weights/torch/torch-file';
import { expectThrow } from '../../support/expect-error';
import { temporaryFolder } from '../../support/temporary';
import {
  dict,
  global,
  int,
  op,
  SIX,
  tensor,
  text,
  torchBytes,
  tuple,
  type TorchToWrite,
} from '../../support/torch-writer';

describe('state dicts in files of torch.save', () => {
  const at = temporaryFolder();
  const opened: TorchFile[] = [];
  afterEach(() => opened.splice(0).forEach(({ file }) => file.close()));

  const open = (file: TorchToWrite, options?: TorchFileOptions): TorchFile => {
    writeFileSync(at('model.bin'), torchBytes(file));
    const found = openTorchFile(at('model.bin'), options);
    opened.push(found);
    return found;
  };
  const refuse = (
    file: TorchToWrite,
    message: RegExp,
    code: QAViTErrorCode = 'ERR_FORMAT',
    options?: TorchFileOptions,
  ) => expectThrow(() => open(file, options), code, message);
  const one = (fields: Parameters<typeof tensor>[0], data?: TorchToWrite['data']): TorchToWrite => ({
    pickle: dict(['a', tensor(fields)]),
    ...(data && { data }),
  });
  const under = (...names: readonly string[]): Buffer =>
    dict(...names.map((name) => [name, dict(['a', tensor()])] as const));

  describe('are found', () => {
    it('as the least nested one', () => {
      expect(open({}).at).to.deep.equal([]);
      expect(open({ pickle: under('weights') }).at).to.deep.equal(['weights']);
      const optimizer = dict(['state', dict(['exp_avg', tensor()])]);
      expect(open({ pickle: dict(['optimizer', optimizer], ['net', dict(['a', tensor()])]) }).at).to.deep.equal([
        'net',
      ]);
      expect(open({ pickle: dict(['x', dict(['y', under('z')])]) }).at).to.deep.equal(['x', 'y', 'z']);
    });

    it('by a usual name among several', () => {
      expect(open({ pickle: under('ema', 'model') }).at).to.deep.equal(['model']);
      expect(open({ pickle: under('state_dict', 'model') }).at).to.deep.equal(['model']);
      expect(open({ pickle: under('module', 'ema') }).at).to.deep.equal(['module']);
    });

    it('under a usual name before tensors beside it', () => {
      const beside = (name: string, value: Buffer): Buffer => dict(['loss', tensor()], [name, value]);
      const weights = dict(['a', tensor()], ['b', tensor()]);
      expect(open({ pickle: beside('model', weights) }).tensors.map(({ name }) => name)).to.deep.equal(['a', 'b']);
      expect(open({ pickle: dict(['run', beside('state_dict', weights)]) }).at).to.deep.equal(['run', 'state_dict']);
      expect(open({ pickle: beside('optimizer', weights) }).at).to.deep.equal([]);
      expect(open({ pickle: beside('model', dict(['epoch', int(3)])) }).at).to.deep.equal([]);
      expect(open({ pickle: beside('model', tensor()) }).tensors).to.have.length(2);
    });

    it('where the caller says', () => {
      expect(open({ pickle: under('ema', 'model') }, { at: ['ema'] }).tensors).to.have.length(1);
      expect(open({ pickle: under('ema') }, { at: [] }).tensors).to.have.length(0);
      refuse({ pickle: under('ema', 'teacher') }, /one dict of tensors, or to be told which .* ema and teacher/);
      refuse({}, /a dict at model .* a dict of "a"/, 'ERR_ARGUMENT', { at: ['model'] });
      refuse({ pickle: under('model') }, /a dict at model\.a\.b/, 'ERR_ARGUMENT', { at: ['model', 'a', 'b'] });
      refuse({ pickle: under('model') }, /a dict at toString/, 'ERR_ARGUMENT', { at: ['toString'] });
    });

    it('in no other place', () => {
      refuse({ pickle: op.emptyDict }, /a dict of tensors by name .* an empty dict/);
      refuse({ pickle: tensor() }, /a dict of tensors .* a tensor/);
      refuse({ pickle: tuple(tensor()) }, /a tuple/);
      refuse({ pickle: global('torch.nn', 'Linear') }, /received torch\.nn\.Linear$/);
      const numbered = Buffer.concat([op.emptyDict, int(0), tensor(), op.setItem]);
      refuse({ pickle: numbered }, /a dict of 0/);
      const deep = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].reduceRight(
        (value, key) => dict([key, value]),
        dict(['x', tensor()]),
      );
      refuse({ pickle: deep }, /a dict of "a"/);
    });

    it('in circles and in what is shared a million times over', () => {
      const circle = Buffer.concat([op.emptyDict, op.put(1), text('self'), op.get(1), op.setItem]);
      refuse({ pickle: circle }, /a dict of "self"/);
      const wide = Array.from({ length: 20 }, (_, i) => [`k${i}`, op.get(0)] as const);
      const shared = Array.from({ length: 6 }).reduce<Buffer>(
        (below) => Buffer.concat([below, op.put(0), op.pop, dict(...wide)]),
        op.emptyDict,
      );
      refuse({ pickle: shared }, /a dict of "k0"/);
    });
  });

  it('take names that mean something in JavaScript', () => {
    const pickle = dict(['__proto__', tensor()], ['constructor', tensor()]);
    expect(open({ pickle }).tensors.map(({ name }) => name)).to.deep.equal(['__proto__', 'constructor']);
  });

  it('are refused where a tensor and its storage do not fit', () => {
    refuse(one({ elements: 5 }), /5 elements of 4 bytes in storage "0" for tensor "a" .* 24 bytes/);
    refuse(one({ elements: 2n ** 40n }), /1099511627776 elements/);
    refuse(one({}, { 0: SIX.subarray(1) }), /6 elements of 4 bytes/);
    refuse(one({ type: global('torch', 'HalfStorage') }), /6 elements of 2 bytes/);
    refuse(
      one({ shape: [2, 4], strides: [4, 1] }),
      /a view inside 24 bytes for tensor "a" .* \[2, 4\] with strides \[4, 1\] from element 0/,
    );
    refuse(one({ offset: 1 }), /a view inside 24 bytes .* from element 1/);
    refuse(one({ strides: [4, 1] }), /a view inside 24 bytes/);
    refuse(one({ offset: Number.MAX_SAFE_INTEGER }), /a view inside/);
    // Products and sums that wrap to something small in 64 bits.
    refuse(one({ shape: [2 ** 32, 2 ** 32], strides: [2 ** 32, 2 ** 32] }), /a view inside/);
    refuse(one({ shape: [3, 2], strides: [2 ** 52, 2 ** 52] }), /a view inside/);
    refuse(one({ shape: [0, 3], offset: 7 }), /a view inside/);
    const long = 'k'.repeat(1e6);
    refuse(one({ key: text(long) }), /^.{1,500}$/);
    refuse({ pickle: dict([long, tensor({ elements: 5 })]) }, /^.{1,500}$/);
    for (const key of ['1', '../data.pkl', '__proto__', '', '/etc/passwd']) {
      refuse(one({ key: text(key) }), /an entry "data\/.*" for tensor "a" of .* none/);
    }
  });

  it('have their numbers from their own storages', () => {
    const key = (name: string) => tensor({ key: text(name), elements: 1, shape: [1], strides: [1] });
    const data = Object.fromEntries([0, 1, 2].map((i) => [i, Buffer.from(Float32Array.of(i).buffer)]));
    const pickle = dict(['a', key('2')], ['b', key('0')], ['c', key('1')], ['d', key('0')], ['e', key('2')]);
    expect(open({ pickle, data }).tensors.map((stored) => stored.read()[0])).to.deep.equal([2, 0, 1, 0, 2]);
  });

  it('hold views of any shape that the storage covers', () => {
    const read = (fields: Parameters<typeof tensor>[0]) => [...open(one(fields)).tensors[0]!.read()];
    expect(read({ shape: [3, 2], strides: [1, 3] })).to.deep.equal([1, 4, 2, 5, 3, 6]);
    expect(read({ shape: [2], strides: [5] })).to.deep.equal([1, 6]);
    expect(read({ shape: [1, 6, 1], strides: [99, 1, 0] })).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(read({ shape: [], strides: [], offset: 5 })).to.deep.equal([6]);
    expect(read({ shape: [0, 5], strides: [0, 0], offset: 6 })).to.deep.equal([]);
    expect(read({ shape: [2, 1, 3], strides: [1, 7, 2] })).to.deep.equal([1, 3, 5, 2, 4, 6]);
  });

  it('refuse to read views that repeat elements, of whatever size', () => {
    for (const shape of [[7], [2 ** 52, 2 ** 52]]) {
      const { tensors } = open(one({ shape, strides: shape.map(() => 0) }));
      expectThrow(() => tensors[0]!.read(), 'ERR_UNSUPPORTED', /a view of 1 elements as \[\d+/);
    }
  });

  it('are told apart by the layout of equal bytes', () => {
    const fingerprint = (fields: Parameters<typeof tensor>[0]): string => {
      const hash = createHash('sha256');
      addFingerprint(hash, open(one(fields)).tensors);
      return hash.digest('hex');
    };
    const square = { shape: [2, 2], strides: [2, 1] };
    expect(fingerprint(square)).to.equal(fingerprint(square));
    expect(fingerprint(square)).not.to.equal(fingerprint({ ...square, strides: [1, 2] }));
  });

  it('are refused by the number of their tensors', () => {
    const shared = Buffer.concat([tensor(), op.put(0), op.pop]);
    const names = Array.from({ length: 100_001 }, (_, i) => [String(i), op.get(0)] as const);
    refuse({ pickle: Buffer.concat([shared, dict(...names)]) }, /at most 100000 tensors .* 100001/, 'ERR_UNSUPPORTED');
  });
});
