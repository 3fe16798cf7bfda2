import { expect } from 'chai';
import type { QAViTErrorCode } from '../../../lib/errors';
import { unpickle } from '../../../lib/weights/torch/pickle';
import {
  Inert,
  PickleDict,
  PickleList,
  PickleTuple,
  type PickleValue,
  type TorchTensor,
} from '../../../lib/weights/torch/pickle-values';
import { expectThrow } from '../../support/expect-error';
import { call, dict, global, int, op, storage, tensor, tensorArguments, text, tuple } from '../../support/torch-writer';

describe('pickles', () => {
  const read = (...parts: readonly (Buffer | string)[]) =>
    unpickle(Buffer.concat([...parts.map((part) => Buffer.from(part as string, 'latin1')), op.stop]), 'model.bin');
  const refuse = (parts: readonly (Buffer | string)[], message: RegExp, code: QAViTErrorCode = 'ERR_FORMAT'): void =>
    expectThrow(() => read(...parts), code, message);

  /** As plain JavaScript; what is inert by its name. */
  function plain(value: PickleValue): unknown {
    if (value instanceof PickleList || value instanceof PickleTuple) return value.items.map(plain);
    if (value instanceof PickleDict) return [...value.entries].map((entry) => entry.map(plain));
    return value instanceof Inert ? `<${value.name}>` : value;
  }

  it('give the values of every protocol', () => {
    const cases: readonly (readonly [string, unknown])[] = [
      ['N', null],
      ['\x88', true],
      ['\x89', false],
      ['I01\n', true],
      ['I00\n', false],
      ['I-17\n', -17],
      ['L12L\n', 12],
      ['L99999999999999999999L\n', '<a long integer>'],
      ['J\xfe\xff\xff\xff', -2],
      ['K\xff', 255],
      ['M\x01\x02', 513],
      ['\x8a\x00', 0],
      ['\x8a\x01\xff', -1],
      ['\x8a\x02\xff\x00', 255],
      ['\x8a\x06\x00\x00\x00\x00\x00\x01', 2 ** 40],
      ['\x8a\x06\x00\x00\x00\x00\x00\xff', -(2 ** 40)],
      ['\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01', '<a long integer>'],
      ['\x8b\x02\x00\x00\x00\x00\x80', -32768],
      ['F1.5\n', 1.5],
      ['G\x3f\xf8\x00\x00\x00\x00\x00\x00', 1.5],
      ["S'abc'\n", 'abc'],
      ['Vabc\n', 'abc'],
      ['T\x02\x00\x00\x00ab', 'ab'],
      ['U\x02\xe9b', 'éb'],
      ['X\x02\x00\x00\x00\xc3\xa9', 'é'],
      ['\x8c\x02\xc3\xa9', 'é'],
      ['\x8d\x01\x00\x00\x00\x00\x00\x00\x00a', 'a'],
      ['B\x01\x00\x00\x00a', '<bytes>'],
      ['C\x01a', '<bytes>'],
      ['\x8e\x01\x00\x00\x00\x00\x00\x00\x00a', '<bytes>'],
      ['\x96\x01\x00\x00\x00\x00\x00\x00\x00a', '<bytes>'],
      [')', []],
      ['(K\x01K\x02t', [1, 2]],
      ['K\x01\x85', [1]],
      ['K\x01K\x02\x86', [1, 2]],
      ['K\x01K\x02K\x03\x87', [1, 2, 3]],
      [']K\x01a(K\x02K\x03e', [1, 2, 3]],
      ['(K\x01K\x02l', [1, 2]],
      [
        '}K\x01K\x02s(K\x03K\x04u',
        [
          [1, 2],
          [3, 4],
        ],
      ],
      ['(K\x01K\x02d', [[1, 2]]],
      ['\x8f(K\x01\x90', '<a set>'],
      ['(K\x01\x91', '<a set>'],
      ['K\x01K\x020', 1],
      ['K\x01(0', 1],
      ['K\x01(K\x02K\x031', 1],
      ['K\x012\x86', [1, 1]],
      ['K\x07p3\n0g3\n', 7],
      ['K\x07q\x030h\x03', 7],
      ['K\x07r\x03\x00\x00\x000j\x03\x00\x00\x00', 7],
      ['K\x07\x940K\x08\x940h\x00h\x01\x86', [7, 8]],
      ['\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x01', 1],
    ];
    for (const [bytes, wanted] of cases) expect(plain(read(bytes).value), JSON.stringify(bytes)).to.deep.equal(wanted);
  });

  describe('import and call nothing', () => {
    const command = text('echo > executed');
    const ways: Readonly<Record<string, readonly (Buffer | string)[]>> = {
      'REDUCE of GLOBAL': [call(global('os', 'system'), command)],
      'REDUCE of STACK_GLOBAL': [text('os'), text('system'), '\x93', tuple(command), op.reduce],
      INST: [op.mark, command, 'ios\nsystem\n'],
      OBJ: [op.mark, global('os', 'system'), command, 'o'],
      NEWOBJ: [global('os', 'system'), tuple(command), '\x81'],
      NEWOBJ_EX: [global('os', 'system'), tuple(command), op.emptyDict, '\x92'],
      BUILD: [global('os', 'system'), op.emptyTuple, '\x81', dict(['__setstate__', command]), op.build],
      'a call of what a call gave': [call(call(global('os', 'system'), command), command)],
      'what is appended to it': [global('os', 'system'), op.mark, command, 'e', op.mark, command, command, 'u'],
    };
    for (const [way, parts] of Object.entries(ways)) {
      it(way, () => {
        const { value, skipped } = read(...parts);
        expect(plain(value)).to.equal('<os.system>');
        expect(skipped).to.deep.equal(['os.system']);
      });
    }

    it('and name each thing once, whatever its name is', () => {
      const { skipped } = read(
        global('os', 'system'),
        global('builtins', 'eval'),
        global('os', 'system'),
        global('a\x1b[2J', 'b"'),
        global('builtins', 'set'),
        global('torch', 'float16'),
        global('torch._utils', '__builtins__'),
        global('toString', 'constructor'),
      );
      expect(skipped).to.deep.equal(
        [
          '"a\\u001b[2J.b\\""',
          'builtins.eval',
          'os.system',
          'toString.constructor',
          'torch._utils.__builtins__',
        ].sort(),
      );
    });

    it('nor keep more names than a person can read', () => {
      const many = Array.from({ length: 5000 }, (_, i) => global('m', `f${i}`));
      expect(read(...many).skipped).to.have.length(1000);
      expect(read(global('m', 'x'.repeat(1e6))).skipped[0]).to.have.length.below(210);
    });

    it('nor call what is allowed as a value only', () => {
      expect(read(call(global('torch', 'float16'), command)).skipped).to.deep.equal(['torch.float16']);
      expect(read(call(global('torch', 'Tensor'), command)).skipped).to.deep.equal(['torch.Tensor']);
    });
  });

  it('that are damaged are refused by their place', () => {
    refuse([], /a value on the stack for byte 1 of data\.pkl of model\.bin .* none/);
    expectThrow(
      () => unpickle(Buffer.alloc(0), 'model.bin'),
      'ERR_FORMAT',
      /1 more bytes for byte 0 .* the pickle ends/,
    );
    refuse(['X\x10\x00\x00\x00ab'], /16 more bytes/);
    refuse(['\x8d\xff\xff\xff\xff\xff\xff\xff\xffab'], /18446744073709552000 more bytes/);
    refuse(['\x8b\xff\xff\xff\xff'], /a length .* -1/);
    refuse(['Iabc\n'], /an integer .* "abc"/);
    refuse(['I1'], /a line/);
    refuse(['K\x01g-1\n'], /a place in the memo/);
    refuse([text(Buffer.from([0xff]))], /text in UTF-8 .* ff/);
    refuse(['t'], /a mark/);
    refuse(['K\x01(K\x02R'], /a value on the stack/);
    refuse(['h\x05'], /a value in memo 5/);
    refuse(['K\x01K\x02a'], /a list to fill .* 1/);
    refuse(['K\x01K\x02K\x03s'], /a dict to fill .* 1/);
    refuse(['}(K\x01u'], /a value for each key/);
    refuse([dict(['a', op.none], ['a', op.none])], /each key once .* "a" twice/);
    refuse(['K\x01)R'], /something to call .* 1/);
    refuse([global('torch', 'Size'), 'NR'], /a tuple of arguments .* None/);
    refuse(['K\x01K\x02\x93'], /names of a module/);
    refuse(['(o'], /a class .* nothing/);
    refuse(['Nb'], /a value on the stack/);
  });

  it('that need Python are refused', () => {
    for (const opcode of ['\x82\x01', '\x97', '\x98', 'P1\n', '\xff']) {
      refuse([opcode], /an opcode of torch\.save .* 0x/, 'ERR_UNSUPPORTED');
    }
  });

  it('of any depth and any number of references cost no more than their length', () => {
    const deep = 1_000_000;
    expect(read(Buffer.alloc(deep, ']'), Buffer.alloc(deep - 1, 'a')).value).to.be.instanceOf(PickleList);
    refuse([Buffer.alloc(deep, '('), op.none], /at most 10000 marks on the stack for byte 10001 /, 'ERR_UNSUPPORTED');
    // Each list holds the one before twice: 2^60 values for who unfolds them.
    const doubled = Array.from({ length: 60 }, () => Buffer.from('2\x86', 'latin1'));
    expect(read(op.emptyTuple, ...doubled).value).to.be.instanceOf(PickleTuple);
    // A list that holds itself.
    expect(read(op.emptyList, op.dup, op.dup, op.append).value).to.be.instanceOf(PickleList);
    refuse([Buffer.alloc(2 ** 22 + 1, 'N')], /at most 4194304 opcodes/, 'ERR_UNSUPPORTED');
  });

  // Looked up whole, or looked through, each of these would take minutes.
  it('cost no more where long names and large dicts are used again and again', () => {
    const times = (count: number, ...parts: readonly Buffer[]) =>
      Buffer.alloc(count * length(parts), Buffer.concat(parts));
    const length = (parts: readonly Buffer[]) => parts.reduce((sum, part) => sum + part.length, 0);
    const stackGlobal = Buffer.from('\x93', 'latin1');
    const long = text('m'.repeat(8e6));
    const named = read(long, op.put(0), times(1e5, op.get(0), op.get(0), stackGlobal, op.pop), op.none);
    expect(named.skipped).to.deep.equal(['m'.repeat(200)]);
    const entries = Array.from({ length: 1e5 }, (_, i) => Buffer.concat([int(i), op.none]));
    const large = Buffer.concat([op.emptyDict, op.mark, ...entries, Buffer.from('u')]);
    const [rebuild, args] = [global('torch._utils', '_rebuild_tensor_v2'), tensorArguments({ metadata: large })];
    const again = times(1e5, op.get(1), op.get(2), op.reduce, op.pop);
    const { value } = read(rebuild, op.put(1), op.pop, args, op.put(2), op.pop, again, tensor({ metadata: large }));
    expect(plain(value)).to.equal('<a conjugated or negated view>');
  });

  // Each with lists of its own, a million tensors of 64 dimensions would take 1.7 GB.
  it('keep one list of dimensions for all tensors that are given the same', () => {
    const sizes = call(global('torch', 'Size'), tuple(int(2), int(3)));
    const [rebuild, hooks] = [global('torch._utils', '_rebuild_tensor_v2'), tuple()];
    const args = tuple(storage(), int(0), op.get(0), op.get(0), op.none, hooks);
    const again = Buffer.concat([op.get(1), op.get(2), op.reduce, op.append]);
    const resized = call(rebuild, storage(), int(0), call(global('torch', 'Size'), op.get(0)), op.get(0));
    const memo = [sizes, op.put(0), op.pop, rebuild, op.put(1), op.pop, args, op.put(2), op.pop];
    const { value } = read(...memo, op.emptyList, again, again, resized, op.append);
    const [first, ...others] = (value as PickleList).items as TorchTensor[];
    expect(first?.shape).to.deep.equal([2, 3]);
    expect(others).to.have.length(2);
    for (const { shape, strides } of others) {
      expect(shape).to.equal(first?.shape);
      expect(strides).to.equal(first?.shape);
    }
  });

  it('are not quoted at length', () => {
    const long = 'k'.repeat(1e6);
    for (const parts of [[`g${'9'.repeat(1e6)}\n`], [tensor({ key: dict([long, op.none]) })]]) {
      expectThrow(() => read(...parts), 'ERR_FORMAT', /^.{1,300}$/);
    }
  });

  it('rebuild tensors of well-formed arguments only', () => {
    refuse([tensor({ offset: -1 })], /an offset of non-negative integers .* -1/);
    refuse([tensor({ shape: [2, -3] })], /a shape of non-negative integers .* -3/);
    refuse([tensor({ shape: [2n ** 53n, 3] })], /a shape of non-negative integers .* 9007199254740992/);
    refuse([tensor({ shape: [2n ** 64n, 3] })], /a shape of non-negative integers .* a long integer/);
    refuse([tensor({ strides: [3, -1] })], /strides of non-negative integers .* -1/);
    refuse([tensor({ strides: [1] })], /2 strides .* 1/);
    refuse([tensor({ strides: [3, 1, 1] })], /2 strides .* 3/);
    refuse([tensor({ elements: -6 })], /a storage of non-negative integers/);
    refuse([tensor({ key: int(5) })], /the name of a storage .* 5/);
    refuse([tensor({ type: global('torch', 'float32') })], /a storage class .* torch\.float32/);
    refuse([tensor({ type: text('FloatStorage') })], /a storage class/);
    refuse(
      [tensor({ shape: Array<number>(65).fill(1), strides: Array<number>(65).fill(1) })],
      /at most 64 dimensions .* 65/,
    );
    refuse([call(global('torch._utils', '_rebuild_tensor_v2'))], /a storage .* nothing/);
    refuse([call(global('torch._utils', '_rebuild_tensor_v2'), int(3))], /a storage .* 3/);
    refuse([call(global('torch._utils', '_rebuild_parameter'), op.emptyDict)], /a tensor .* a dict/);
    refuse([call(global('torch', 'Size'), int(3))], /a tuple as a size .* 3/);
    refuse([call(global('collections', 'OrderedDict'), op.emptyList)], /an empty dict .* one of a list/);
    refuse([text('storage'), 'Q'], /a tuple as a persistent id/);
    refuse([tuple(text('module')), 'Q'], /a storage's persistent id .* "module"/);
  });

  it('leave alone tensors whose numbers are not those in the file', () => {
    const inert = (...parts: readonly Buffer[]) => plain(read(...parts).value);
    expect(inert(tensor({ type: global('torch', 'QInt8Storage') }))).to.equal('<torch.QInt8Storage>');
    const negated = (bit: string) => dict(['conj', Buffer.of(0x89)], ['neg', Buffer.from(bit, 'latin1')]);
    expect(inert(tensor({ metadata: negated('\x88') }))).to.equal('<a conjugated or negated view>');
    expect(read(tensor({ metadata: negated('\x89') })).value).not.to.be.instanceOf(Inert);
    const typed = (type: Buffer, args = tuple()) =>
      call(global('torch._tensor', '_rebuild_from_type_v2'), global('torch._utils', '_rebuild_tensor_v2'), type, args);
    expect(inert(typed(global('torchao', 'Int4Tensor')))).to.equal('<torchao.Int4Tensor>');
    refuse([typed(global('torch', 'Tensor'))], /a storage .* nothing/);
    const itself = global('torch._tensor', '_rebuild_from_type_v2');
    refuse([call(itself, itself, global('torch', 'Tensor'), tuple())], /a function that makes a tensor/);
  });
});
