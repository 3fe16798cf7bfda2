import type { TorchDType } from './dtypes';

/** What a pickle can hold here. Whatever it makes of Python classes and functions that are not known to be harmless is Inert. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleGlobal
  | TorchStorage
  | TorchTensor
  | Inert;

export class PickleList {
  readonly items: PickleValue[] = [];
}

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** Keys that are containers count by identity: nothing here looks them up. */
export class PickleDict {
  /** Made with the first entry: an empty Map takes far more memory than the one byte that asks for a dict. */
  private map: Map<PickleValue, PickleValue> | undefined;

  get entries(): ReadonlyMap<PickleValue, PickleValue> {
    return this.map ?? NOTHING;
  }

  set(key: PickleValue, value: PickleValue): void {
    this.map ??= new Map();
    this.map.set(key, value);
  }
}

const NOTHING: ReadonlyMap<PickleValue, PickleValue> = new Map();

/** Stands for a Python object that was not made. Calling it, filling it and setting its state do nothing. */
export class Inert {
  constructor(readonly name: string) {}
}

/** Rejects the pickle: `Expected <what> for <this place> but received <found>`. */
export type Reject = (what: string, found: string) => never;

/** Makes a value of the arguments that a pickle calls its constructor with. */
export type Construct = (args: readonly PickleValue[], reject: Reject) => PickleValue;

/** A name of the allow-list. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly construct?: Construct,
    /** Of a storage class or a dtype. */
    readonly dtype?: TorchDType,
  ) {}
}

/** Numbers in an entry of their own, `data/<key>`. */
export class TorchStorage {
  constructor(
    readonly key: string,
    readonly dtype: TorchDType,
    readonly elements: number,
  ) {}
}

/** A view of a storage, all in elements. Only its form has been checked: whether the storage holds it is seen with the file. */
export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly dtype: TorchDType,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** For messages: a file's texts may be as long as the file. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 197)}...` : text);
}

/** For messages. */
export function nameOf(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  if (typeof value !== 'object') return String(value);
  if (value instanceof Inert || value instanceof PickleGlobal) return value.name;
  if (value instanceof PickleList) return 'a list';
  if (value instanceof PickleTuple) return 'a tuple';
  if (value instanceof PickleDict) return 'a dict';
  return value instanceof TorchTensor ? 'a tensor' : 'a storage';
}
