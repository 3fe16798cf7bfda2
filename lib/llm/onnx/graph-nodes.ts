import { type FileHandle, open } from 'node:fs/promises';

/** Field numbers of onnx.proto. */
const GRAPH_OF_MODEL = 7;
const NODE_OF_GRAPH = 1;
const KIND_OF_NODE = 4;

/** An embedding layer has a handful; a file that says otherwise is not read to its end. */
const MOST_FIELDS = 10_000;
/** The longest varint, and more than any kind's name. */
const MOST_BYTES = 64;

/** Of a protobuf message, in a file: the bytes of one that has a length. */
interface Field {
  readonly number: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * Whether an ONNX file that onnxruntime has opened, which tells of inputs and outputs alone, has a node of this kind in its graph (`Mul`).
 * Weights are skipped, whatever their size.
 */
export async function hasNode(file: string, kind: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    for await (const graph of fieldsOf(handle, { begin: 0, end: size }, GRAPH_OF_MODEL)) {
      for await (const node of fieldsOf(handle, graph, NODE_OF_GRAPH)) {
        for await (const { begin, end } of fieldsOf(handle, node, KIND_OF_NODE)) {
          if (end - begin === kind.length && (await bytesAt(handle, begin, end)).toString('latin1') === kind)
            return true;
        }
      }
    }
    return false;
  } finally {
    await handle.close();
  }
}

/** Those of this number in a message. */
async function* fieldsOf(
  handle: FileHandle,
  { begin, end }: Pick<Field, 'begin' | 'end'>,
  number: number,
): AsyncGenerator<Field, void, void> {
  let at = begin;
  for (let i = 0; i < MOST_FIELDS && at < end; i++) {
    const bytes = await bytesAt(handle, at, end);
    const tag = varint(bytes, 0);
    const value = tag && varint(bytes, tag.length);
    if (!tag || !value) return;
    const field = { number: Math.floor(tag.value / 8), begin: at + tag.length + value.length };
    const wire = tag.value % 8;
    if (wire === 2) {
      at = field.begin + value.value;
      if (field.number === number && at <= end) yield { ...field, end: at };
    } else if (wire === 0) at = field.begin;
    else if (wire === 1 || wire === 5) at += tag.length + (wire === 1 ? 8 : 4);
    else return;
  }
}

async function bytesAt(handle: FileHandle, begin: number, end: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.min(MOST_BYTES, end - begin));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, begin);
  return buffer.subarray(0, bytesRead);
}

/** Seven bits a byte, the lowest first. */
function varint(bytes: Uint8Array, at: number): { value: number; length: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte % 128) * 128 ** i;
    if (byte < 128) return { value, length: i + 1 };
  }
  return undefined;
}
