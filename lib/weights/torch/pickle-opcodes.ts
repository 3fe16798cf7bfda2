import type { PickleMachine } from './pickle-machine';
import { Inert, nameOf, PickleTuple } from './pickle-values';

type Operation = (machine: PickleMachine) => void;

/** Values whose content nobody asks for. */
const [BYTES, SET, LONG] = [new Inert('bytes'), new Inert('a set'), new Inert('a long integer')];

/** Longer integers than a double holds count nothing here. */
const MAX_LONG_BYTES = 7;

function long(machine: PickleMachine, length: number): void {
  if (length < 0) machine.bytes.reject('a length', String(length));
  const bytes = machine.bytes.take(length);
  if (length > MAX_LONG_BYTES) return machine.push(LONG);
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + (bytes[i] as number);
  // Two's complement, of any length.
  machine.push(length > 0 && (bytes[length - 1] as number) >= 0x80 ? value - 256 ** length : value);
}

/** Of protocol 0: `I01` and `I00` are booleans. */
function decimal(machine: PickleMachine): void {
  const line = machine.bytes.line();
  if (line === '00' || line === '01') return machine.push(line === '01');
  if (!/^-?\d+L?$/.test(line)) machine.bytes.reject('an integer', JSON.stringify(line.slice(0, 40)));
  const value = Number(line.replace('L', ''));
  machine.push(Number.isSafeInteger(value) ? value : LONG);
}

function opaque(machine: PickleMachine, length: number): void {
  machine.bytes.take(length);
  machine.push(BYTES);
}

function names(machine: PickleMachine): void {
  const module = machine.bytes.line();
  machine.global(module, machine.bytes.line());
}

function index(machine: PickleMachine): number {
  const line = machine.bytes.line();
  return /^\d{1,10}$/.test(line) ? Number(line) : machine.bytes.reject('a place in the memo', nameOf(line));
}

const NUMBERS_AND_TEXT: readonly (readonly [number, Operation])[] = [
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x49, decimal], // INT
  [0x4c, decimal], // LONG
  [0x4a, (m) => m.push(m.bytes.i32())], // BININT
  [0x4b, (m) => m.push(m.bytes.u8())], // BININT1
  [0x4d, (m) => m.push(m.bytes.u16())], // BININT2
  [0x8a, (m) => long(m, m.bytes.u8())], // LONG1
  [0x8b, (m) => long(m, m.bytes.i32())], // LONG4
  [0x46, (m) => m.push(Number(m.bytes.line()))], // FLOAT
  [0x47, (m) => m.push(m.bytes.float())], // BINFLOAT
  [0x53, (m) => m.push(m.bytes.line().slice(1, -1))], // STRING, in quotes
  [0x56, (m) => m.push(m.bytes.line())], // UNICODE
  [0x54, (m) => m.push(m.bytes.take(m.bytes.u32()).toString('latin1'))], // BINSTRING
  [0x55, (m) => m.push(m.bytes.take(m.bytes.u8()).toString('latin1'))], // SHORT_BINSTRING
  [0x58, (m) => m.push(m.bytes.text(m.bytes.u32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.bytes.text(m.bytes.u8()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.bytes.text(m.bytes.u64()))], // BINUNICODE8
  [0x42, (m) => opaque(m, m.bytes.u32())], // BINBYTES
  [0x43, (m) => opaque(m, m.bytes.u8())], // SHORT_BINBYTES
  [0x8e, (m) => opaque(m, m.bytes.u64())], // BINBYTES8
  [0x96, (m) => opaque(m, m.bytes.u64())], // BYTEARRAY8
];

const CONTAINERS: readonly (readonly [number, Operation])[] = [
  [0x29, (m) => m.tuple([])], // EMPTY_TUPLE
  [0x74, (m) => m.tuple(m.popMark())], // TUPLE
  [0x85, (m) => m.shortTuple(1)], // TUPLE1
  [0x86, (m) => m.shortTuple(2)], // TUPLE2
  [0x87, (m) => m.shortTuple(3)], // TUPLE3
  [0x5d, (m) => m.list([])], // EMPTY_LIST
  [0x6c, (m) => m.list(m.popMark())], // LIST
  [0x61, (m) => m.append([m.pop()])], // APPEND
  [0x65, (m) => m.append(m.popMark())], // APPENDS
  [0x7d, (m) => m.dict([])], // EMPTY_DICT
  [0x64, (m) => m.dict(m.popMark())], // DICT
  [0x73, (m) => m.setItems([m.pop(), m.pop()].reverse())], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS
  [0x8f, (m) => m.push(SET)], // EMPTY_SET
  [0x90, (m) => void m.popMark()], // ADDITEMS
  [0x91, (m) => (m.popMark(), m.push(SET))], // FROZENSET
];

const STACK_AND_MEMO: readonly (readonly [number, Operation])[] = [
  [0x80, (m) => void m.bytes.u8()], // PROTO
  [0x95, (m) => void m.bytes.u64()], // FRAME: a hint for readers of streams
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => m.drop()], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP
  [0x67, (m) => m.get(index(m))], // GET
  [0x68, (m) => m.get(m.bytes.u8())], // BINGET
  [0x6a, (m) => m.get(m.bytes.u32())], // LONG_BINGET
  [0x70, (m) => m.put(index(m))], // PUT
  [0x71, (m) => m.put(m.bytes.u8())], // BINPUT
  [0x72, (m) => m.put(m.bytes.u32())], // LONG_BINPUT
  [0x94, (m) => m.put()], // MEMOIZE
];

const OBJECTS: readonly (readonly [number, Operation])[] = [
  [0x63, names], // GLOBAL
  [0x93, (m) => stackGlobal(m)], // STACK_GLOBAL
  [0x52, (m) => call(m)], // REDUCE
  [0x81, (m) => call(m)], // NEWOBJ
  [0x92, (m) => (m.pop(), call(m))], // NEWOBJ_EX, without its keywords
  [0x69, (m) => instance(m)], // INST
  [0x6f, (m) => object(m)], // OBJ
  [0x62, (m) => m.build()], // BUILD
  [0x51, (m) => m.persistent()], // BINPERSID
];

function stackGlobal(m: PickleMachine): void {
  const name = m.pop();
  m.global(m.pop(), name);
}

function call(m: PickleMachine): void {
  const args = m.pop();
  m.call(m.pop(), args);
}

function instance(m: PickleMachine): void {
  const args = new PickleTuple(m.popMark());
  names(m);
  m.call(m.pop(), args);
}

function object(m: PickleMachine): void {
  const [type, ...args] = m.popMark();
  if (type === undefined) m.bytes.reject('a class', 'nothing');
  else m.call(type, new PickleTuple(args));
}

/** By their byte; what is not here needs Python (extension registry, buffers out of band) or ends the pickle. */
export const OPERATIONS: ReadonlyMap<number, Operation> = new Map([
  ...NUMBERS_AND_TEXT,
  ...CONTAINERS,
  ...STACK_AND_MEMO,
  ...OBJECTS,
]);
