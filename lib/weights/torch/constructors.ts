import { MAX_DIMENSIONS } from '../tensor-file';
import { DTYPES, STORAGES, type TorchDType } from './dtypes';
import {
  type Construct,
  Inert,
  nameOf,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleTuple,
  type PickleValue,
  type Reject,
  TorchStorage,
  TorchTensor,
} from './pickle-values';

/** PyTorch writes two. A tensor's are looked through, and a pickle may give many tensors the same. */
const MAX_METADATA = 16;

/** torch._utils._rebuild_tensor[_v2](storage, offset, size, stride[, requires_grad, hooks[, metadata]]) */
const tensor: Construct = ([storage, offset, size, stride, , , metadata], reject) => {
  if (!(storage instanceof TorchStorage)) return withoutNumbers(storage, reject);
  return view(storage, storage.dtype, [offset, size, stride, metadata], reject);
};

/** torch._utils._rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]): the dtypes without a storage class */
const typedTensor: Construct = ([storage, offset, size, stride, , , dtype, metadata], reject) => {
  if (!(storage instanceof TorchStorage)) return withoutNumbers(storage, reject);
  if (dtype instanceof Inert) return dtype;
  if (!(dtype instanceof PickleGlobal) || !dtype.dtype) return reject('a dtype', nameOf(dtype));
  return view(storage, dtype.dtype, [offset, size, stride, metadata], reject);
};

function view(
  storage: TorchStorage,
  dtype: TorchDType,
  [offset, size, stride, metadata]: (PickleValue | undefined)[],
  reject: Reject,
): PickleValue {
  const [start] = counts([offset], 'an offset', reject);
  const shape = countsOf(size, 'a shape', reject);
  const strides = countsOf(stride, 'strides', reject);
  if (strides.length !== shape.length) return reject(`${shape.length} strides`, String(strides.length));
  if (shape.length > MAX_DIMENSIONS) return reject(`at most ${MAX_DIMENSIONS} dimensions`, String(shape.length));
  // The numbers of a conjugated or negated view are not those in the file.
  if (metadata instanceof PickleDict && isMarked(metadata)) return new Inert('a conjugated or negated view');
  return new TorchTensor(storage, dtype, start as number, shape, strides);
}

function isMarked({ entries }: PickleDict): boolean {
  return entries.size > MAX_METADATA || [...entries.values()].includes(true);
}

/** A storage of an unknown kind has been named when it came in. */
function withoutNumbers(storage: PickleValue | undefined, reject: Reject): PickleValue {
  return storage instanceof Inert ? storage : reject('a storage', nameOf(storage));
}

function itemsOf(value: PickleValue | undefined, what: string, reject: Reject): readonly PickleValue[] {
  return tupleOf(value, what, reject).items;
}

function tupleOf(value: PickleValue | undefined, what: string, reject: Reject): PickleTuple {
  return value instanceof PickleTuple ? value : reject(`a tuple as ${what}`, nameOf(value));
}

/** A pickle may give any number of tensors the same tuple, which costs it two bytes each: so they get the same list. */
const COUNTS = new WeakMap<PickleTuple, readonly number[]>();

function countsOf(value: PickleValue | undefined, what: string, reject: Reject): readonly number[] {
  const tuple = tupleOf(value, what, reject);
  const found = COUNTS.get(tuple) ?? counts(tuple.items, what, reject);
  COUNTS.set(tuple, found);
  return found;
}

function counts(values: readonly (PickleValue | undefined)[], what: string, reject: Reject): number[] {
  return values.map((value) =>
    Number.isSafeInteger(value) && (value as number) >= 0
      ? (value as number)
      : reject(`${what} of non-negative integers`, nameOf(value)),
  );
}

/** torch._utils._rebuild_parameter(data, requires_grad, hooks[, state]) */
const parameter: Construct = ([data], reject) =>
  data instanceof TorchTensor || data instanceof Inert ? data : reject('a tensor', nameOf(data));

/** torch._tensor._rebuild_from_type_v2(function, type, arguments, state): tensors that carry attributes */
const attributed: Construct = ([make, type, args], reject) => {
  // A subclass may mean something else by its numbers.
  const plain = type instanceof PickleGlobal && TENSOR_TYPES.includes(type.name);
  if (!(make instanceof PickleGlobal) || !plain) return new Inert(nameOf(type));
  if (!make.construct || make.construct === attributed) return reject('a function that makes a tensor', make.name);
  return make.construct(itemsOf(args, 'arguments', reject), reject);
};

/** torch.Size(tuple) */
const size: Construct = ([items], reject) => tupleOf(items, 'a size', reject);

/** collections.OrderedDict() and defaultdict(factory); items follow by opcodes. */
const dict: Construct = ([factory], reject) =>
  factory instanceof PickleList || factory instanceof PickleTuple || factory instanceof PickleDict
    ? reject('an empty dict', `one of ${nameOf(factory)}`)
    : new PickleDict();

const TENSOR_TYPES = ['torch.Tensor', 'torch.nn.parameter.Parameter'];

const CONSTRUCTORS: Readonly<Record<string, Construct>> = {
  'torch._utils._rebuild_tensor': tensor,
  'torch._utils._rebuild_tensor_v2': tensor,
  'torch._utils._rebuild_tensor_v3': typedTensor,
  'torch._utils._rebuild_parameter': parameter,
  'torch._utils._rebuild_parameter_with_state': parameter,
  'torch._tensor._rebuild_from_type_v2': attributed,
  'torch.Size': size,
  'collections.OrderedDict': dict,
  'collections.defaultdict': dict,
};

/** Values and containers that no tensor is looked for in; they need not be named among what was skipped. */
const PLAIN = ['bytearray', 'complex', 'dict', 'float', 'frozenset', 'int', 'list', 'object', 'set', 'str', 'tuple'];
const HARMLESS = new Set([
  '_codecs.encode', // how protocol 2 spells bytes
  'copy_reg._reconstructor',
  'torch.device',
  ...PLAIN.flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`]),
]);

/** The global of that name if it is allowed or harmless. */
export function allowedGlobal(name: string): PickleGlobal | Inert | undefined {
  if (HARMLESS.has(name)) return new Inert(name);
  const dtype = DTYPES.get(name) ?? STORAGES.get(name);
  if (dtype) return new PickleGlobal(name, undefined, dtype);
  if (TENSOR_TYPES.includes(name)) return new PickleGlobal(name);
  return Object.hasOwn(CONSTRUCTORS, name) ? new PickleGlobal(name, CONSTRUCTORS[name]) : undefined;
}

/** ('storage', class, key, location, elements): what torch.save keeps outside of the pickle. */
export function persistentStorage(id: PickleValue, reject: Reject): PickleValue {
  const [kind, type, key, , elements] = itemsOf(id, 'a persistent id', reject);
  if (kind !== 'storage') return reject("a storage's persistent id", nameOf(kind));
  if (typeof key !== 'string') return reject('the name of a storage', nameOf(key));
  if (type instanceof Inert) return type;
  if (!(type instanceof PickleGlobal) || !STORAGES.has(type.name)) return reject('a storage class', nameOf(type));
  const [count] = counts([elements], 'a storage', reject);
  return new TorchStorage(key, type.dtype as TorchDType, count as number);
}
