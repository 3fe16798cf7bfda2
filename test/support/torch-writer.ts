import { type ZipItem, zipBytes, type ZipOptions } from './zip-writer';

/** Opcodes and their arguments, by the names of Python's pickletools. */
export const op = {
  proto: Buffer.of(0x80, 2),
  stop: Buffer.from('.'),
  mark: Buffer.from('('),
  none: Buffer.from('N'),
  emptyList: Buffer.from(']'),
  emptyDict: Buffer.from('}'),
  emptyTuple: Buffer.from(')'),
  append: Buffer.from('a'),
  setItem: Buffer.from('s'),
  reduce: Buffer.from('R'),
  build: Buffer.from('b'),
  dup: Buffer.from('2'),
  pop: Buffer.from('0'),
  put: (index: number): Buffer => Buffer.of(0x71, index),
  get: (index: number): Buffer => Buffer.of(0x68, index),
};

const withLength = (opcode: string, bytes: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([Buffer.from(opcode), length, bytes]);
};

export const text = (value: string | Buffer): Buffer => withLength('X', Buffer.from(value));
export const global = (module: string, name: string): Buffer => Buffer.from(`c${module}\n${name}\n`);
export const tuple = (...items: readonly Buffer[]): Buffer => Buffer.concat([op.mark, ...items, Buffer.from('t')]);
export const call = (callable: Buffer, ...args: readonly Buffer[]): Buffer =>
  Buffer.concat([callable, tuple(...args), op.reduce]);
export const dict = (...items: readonly (readonly [string | Buffer, Buffer])[]): Buffer =>
  Buffer.concat([op.emptyDict, op.mark, ...items.flatMap(([key, value]) => [text(key), value]), Buffer.from('u')]);

/** Any integer: by LONG1 in as few bytes as it needs, as Python writes it. */
export function int(value: number | bigint): Buffer {
  const number = BigInt(value);
  let length = 0;
  while (BigInt.asIntN(8 * length, number) !== number) length += 1;
  const bytes = Array.from({ length }, (_, i) => Number(BigInt.asUintN(8, number >> BigInt(8 * i))));
  return Buffer.of(0x8a, length, ...bytes);
}

export interface StorageToWrite {
  type?: Buffer;
  key?: Buffer;
  elements?: number | bigint;
}

export function storage({
  type = global('torch', 'FloatStorage'),
  key = text('0'),
  elements = 6,
}: StorageToWrite = {}) {
  return Buffer.concat([tuple(text('storage'), type, key, text('cpu'), int(elements)), Buffer.from('Q')]);
}

export interface TensorToPickle extends StorageToWrite {
  offset?: number | bigint;
  shape?: readonly (number | bigint)[];
  strides?: readonly (number | bigint)[];
  metadata?: Buffer;
}

/** A call of _rebuild_tensor_v2 for a view of six floats, [2, 3] unless told otherwise. */
export function tensor(fields: TensorToPickle = {}): Buffer {
  return Buffer.concat([global('torch._utils', '_rebuild_tensor_v2'), tensorArguments(fields), op.reduce]);
}

export function tensorArguments({
  offset = 0,
  shape = [2, 3],
  strides = [3, 1],
  metadata,
  ...rest
}: TensorToPickle = {}): Buffer {
  const sizes = [tuple(...shape.map(int)), tuple(...strides.map(int))];
  const hooks = Buffer.concat([global('collections', 'OrderedDict'), op.emptyTuple, op.reduce]);
  return tuple(storage(rest), int(offset), ...sizes, Buffer.of(0x89), hooks, ...(metadata ? [metadata] : []));
}

export const SIX = Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);

export interface TorchToWrite {
  /** Without protocol and stop. Default: {'a': tensor()}. */
  pickle?: Buffer;
  /** By the keys of storages. */
  data?: Readonly<Record<string, Uint8Array>>;
  /** Over the usual ones; null leaves an entry out. */
  records?: Readonly<Record<string, string | null>>;
  /** Changes to the entries before they are written. */
  change?: (items: ZipItem[]) => ZipItem[];
  zip?: ZipOptions;
}

/** A file as torch.save writes it, or one that lies. */
export function torchBytes({
  pickle = dict(['a', tensor()]),
  data = { 0: SIX },
  records = {},
  change,
  zip,
}: TorchToWrite = {}) {
  const texts = Object.entries({ version: '3\n', byteorder: 'little', ...records }).filter(
    ([, value]) => value !== null,
  );
  const items: ZipItem[] = [
    { name: 'archive/data.pkl', data: Buffer.concat([op.proto, pickle, op.stop]) },
    ...texts.map(([name, value]) => ({ name: `archive/${name}`, data: Buffer.from(value) })),
    ...Object.entries(data).map(([key, bytes]) => ({ name: `archive/data/${key}`, data: bytes })),
  ];
  return zipBytes(change ? change(items) : items, { wideEnd: true, ...zip });
}
