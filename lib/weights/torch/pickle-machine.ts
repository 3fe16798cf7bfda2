import { allowedGlobal, persistentStorage } from './constructors';
import type { PickleBytes } from './pickle-bytes';
import { Inert, nameOf, PickleDict, PickleGlobal, PickleList, PickleTuple, type PickleValue } from './pickle-values';

/** Of a module, class or function: longer than any on the allow-list, and what is shown to people of the others. */
const MAX_NAME = 200;

/** A name shown to people: what a file says may hold control characters. */
const NAME = /^[\w.<>]+$/;

/** Enough to see what a file holds besides tensors. */
const MAX_SKIPPED = 1000;

/** Python itself writes a tenth of that: its own recursion ends before. */
const MAX_MARKS = 10_000;

/**
 * The stack, memo and containers that a pickle's opcodes work on (the format is described in Python's `pickletools` module).
 *
 * Python would import and call what a pickle names. Here nothing is imported and nothing is called: names of the allow-list become
 * plain data, every other one an Inert value that swallows what is done to it, and is noted in `skipped`.
 */
export class PickleMachine {
  readonly skipped = new Set<string>();
  private stack: PickleValue[] = [];
  /** Stacks below the marks. */
  private readonly below: PickleValue[][] = [];
  private readonly memo = new Map<number, PickleValue>();

  constructor(readonly bytes: PickleBytes) {}

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    const value = this.stack.pop();
    return value === undefined ? this.bytes.reject('a value on the stack', 'none') : value;
  }

  top(): PickleValue {
    const value = this.stack[this.stack.length - 1];
    return value === undefined ? this.bytes.reject('a value on the stack', 'none') : value;
  }

  /** Drops the uppermost value, or a mark with nothing above it. */
  drop(): void {
    if (this.stack.length === 0 && this.below.length > 0) this.popMark();
    else this.pop();
  }

  mark(): void {
    if (this.below.length === MAX_MARKS) {
      throw this.bytes.error('ERR_UNSUPPORTED', `at most ${MAX_MARKS} marks on the stack`, 'more');
    }
    this.below.push(this.stack);
    this.stack = [];
  }

  /** What lies above the uppermost mark. */
  popMark(): PickleValue[] {
    const above = this.stack;
    this.stack = this.below.pop() ?? this.bytes.reject('a mark on the stack', 'none');
    return above;
  }

  put(index = this.memo.size): void {
    this.memo.set(index, this.top());
  }

  get(index: number): void {
    const value = this.memo.get(index);
    this.push(value === undefined ? this.bytes.reject(`a value in memo ${index}`, 'none') : value);
  }

  tuple(items: readonly PickleValue[]): void {
    this.push(new PickleTuple(items));
  }

  /** The last `count` values as a tuple. */
  shortTuple(count: number): void {
    const items = Array.from({ length: count }, () => this.pop());
    this.tuple(items.reverse());
  }

  list(items: readonly PickleValue[]): void {
    this.push(new PickleList());
    this.append(items);
  }

  append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (list instanceof PickleList) for (const item of items) list.items.push(item);
    else if (!(list instanceof Inert)) this.bytes.reject('a list to fill', nameOf(list));
  }

  dict(items: readonly PickleValue[]): void {
    this.push(new PickleDict());
    this.setItems(items);
  }

  /** Keys and values in turns, into the dict below them. */
  setItems(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (items.length % 2 === 1) this.bytes.reject('a value for each key', 'a key alone');
    if (dict instanceof Inert) return;
    if (!(dict instanceof PickleDict)) return this.bytes.reject('a dict to fill', nameOf(dict));
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i] as PickleValue;
      // Python would keep the last one; no dict that Python wrote holds two. Inert keys may stand for different ones.
      if (typeof key === 'string' && dict.entries.has(key)) this.bytes.reject('each key once', `${nameOf(key)} twice`);
      dict.set(key, items[i + 1] as PickleValue);
    }
  }

  /** A class or function by its name. */
  global(module: PickleValue, name: PickleValue): void {
    if (typeof module !== 'string' || typeof name !== 'string') {
      return this.bytes.reject('names of a module and of something in it', `${nameOf(module)} and ${nameOf(name)}`);
    }
    // Cut before they are joined and looked up: two long texts of the memo may be named a million times.
    const full = `${module.slice(0, MAX_NAME)}.${name.slice(0, MAX_NAME)}`;
    this.push(allowedGlobal(full) ?? this.skip(full));
  }

  /** Whatever opcode asks for a call or an instance. */
  call(callable: PickleValue, args: PickleValue): void {
    if (callable instanceof Inert) return this.push(callable);
    if (!(callable instanceof PickleGlobal)) return this.bytes.reject('something to call', nameOf(callable));
    if (!(args instanceof PickleTuple)) return this.bytes.reject('a tuple of arguments', nameOf(args));
    this.push(callable.construct ? callable.construct(args.items, this.bytes.reject) : this.skip(callable.name));
  }

  /** Attributes that a pickle sets: none of them belongs to a tensor's numbers. */
  build(): void {
    this.pop();
    this.top();
  }

  persistent(): void {
    this.push(persistentStorage(this.pop(), this.bytes.reject));
  }

  private skip(name: string): Inert {
    const cut = name.slice(0, MAX_NAME);
    const shown = NAME.test(cut) ? cut : JSON.stringify(cut);
    if (this.skipped.size < MAX_SKIPPED) this.skipped.add(shown);
    return new Inert(shown);
  }
}
