import type { FileRegion, MappedFile } from '../binding/native';
import { expectedButFound } from '../errors';
import { BYTES, elementsOf, firstNonFinite, type StoredDType, toFloat32 } from './elements';
import { gatherStrided } from './strided';
import type { TensorEntry } from './tensor-file';

const DTYPES: Readonly<Record<string, StoredDType>> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };

/** One parameter in a file: what it is, and where. Its numbers are read when asked for. */
export class StoredTensor {
  /**
   * @param entry what the file's header says, already checked against the file
   * @param storedName what the file calls it
   */
  constructor(
    readonly file: MappedFile,
    private readonly entry: TensorEntry,
    readonly storedName = entry.name,
  ) {}

  get name(): string {
    return this.entry.name;
  }

  get shape(): readonly number[] {
    return this.entry.shape;
  }

  get offset(): number {
    return this.entry.offset;
  }

  get bytes(): number {
    return this.entry.bytes;
  }

  /** Steps between elements; undefined where they stand one behind another in row-major order. */
  get strides(): readonly number[] | undefined {
    return this.entry.strides;
  }

  /** The dtype as the file names it, whatever it is. */
  get storedAs(): string {
    return this.entry.dtype;
  }

  /** @throws QAViTError ERR_DTYPE unless it holds floats of 16 or 32 bits */
  get dtype(): StoredDType {
    const dtype = DTYPES[this.entry.dtype];
    if (dtype) return dtype;
    throw expectedButFound('ERR_DTYPE', 'F32, F16 or BF16', this.where, this.entry.dtype);
  }

  /** For messages. */
  get where(): string {
    return `tensor ${this.storedName} of ${this.file.path}`;
  }

  /** The same under another name; messages say the file's. */
  renamed(name: string): StoredTensor {
    return new StoredTensor(this.file, { ...this.entry, name }, this.storedName);
  }

  /** Rows [start, end) of the first dimension, as a tensor of its own. */
  sliceRows(start: number, end: number): StoredTensor {
    const { name, entry, strides, shape } = this;
    const inner = shape.slice(1);
    const steps = strides ?? shape.map((_, d) => shape.slice(d + 1).reduce((product, size) => product * size, 1));
    const sliced = [end - start, ...inner];
    const last = sliced.reduce((sum, size, d) => sum + (size - 1) * (steps[d] ?? 0), 0);
    const size = BYTES[this.dtype];
    return new StoredTensor(this.file, {
      ...entry,
      name: `${name}[${start}:${end}]`,
      shape: sliced,
      offset: entry.offset + start * (steps[0] ?? 0) * size,
      bytes: (last + 1) * size,
    });
  }

  /**
   * All of it in row-major order, widened to f32.
   *
   * @throws QAViTError ERR_FORMAT where a number is infinite or NaN; ERR_UNSUPPORTED for a view that repeats elements
   */
  read(): Float32Array {
    const elements = this.elements();
    this.checkFinite(elements);
    return toFloat32(elements, this.dtype);
  }

  /** For an upload that does not pass through JavaScript; native code looks at every number there. Of tensors without strides. */
  region(scale?: number): FileRegion {
    const { file, offset, where: name } = this;
    if (this.strides)
      throw expectedButFound('ERR_UNSUPPORTED', 'a tensor without strides', name, `[${this.strides.join(', ')}]`);
    return { file, offset, elements: this.bytes / BYTES[this.dtype], scale, name };
  }

  private elements(): Float32Array | Uint16Array {
    const { shape, strides, dtype } = this;
    const stored = this.bytes / BYTES[dtype];
    const wanted = shape.reduce((product, size) => product * size, 1);
    // An expanded tensor may stand for any number of elements: made dense it could fill the memory.
    if (wanted > stored) {
      const found = `a view of ${stored} elements as [${shape.join(', ')}]; save it .contiguous()`;
      throw expectedButFound('ERR_UNSUPPORTED', 'a tensor that repeats no element', this.where, found);
    }
    const elements = elementsOf(this.file.read(this.offset, this.bytes), dtype);
    return strides ? gatherStrided(elements, shape, strides) : elements;
  }

  private checkFinite(elements: Float32Array | Uint16Array): void {
    const at = firstNonFinite(elements, this.dtype);
    if (at < 0) return;
    const [value] = toFloat32(elements.slice(at, at + 1), this.dtype);
    throw expectedButFound('ERR_FORMAT', 'finite numbers', this.where, `${value} at element ${at}`);
  }
}
