import type { FileRegion, MappedFile } from '../binding/native';
import { expectedButFound } from '../errors';
import { BYTES, elementsOf, firstNonFinite, type StoredDType, toFloat32 } from './elements';
import type { TensorEntry } from './safetensors-header';

const DTYPES: Readonly<Record<string, StoredDType>> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };

/** One parameter in a file: what it is, and where. Its numbers are read when asked for. */
export class StoredTensor {
  /** @param entry what the file's header says, already checked against the file */
  constructor(
    readonly file: MappedFile,
    private readonly entry: TensorEntry,
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

  /** @throws QAViTError ERR_DTYPE unless it holds floats of 16 or 32 bits */
  get dtype(): StoredDType {
    const dtype = DTYPES[this.entry.dtype];
    if (dtype) return dtype;
    throw expectedButFound('ERR_DTYPE', 'F32, F16 or BF16', this.where, this.entry.dtype);
  }

  /** For messages. */
  get where(): string {
    return `tensor ${this.name} of ${this.file.path}`;
  }

  /**
   * All of it, widened to f32.
   *
   * @throws QAViTError ERR_FORMAT where a number is infinite or NaN
   */
  read(): Float32Array {
    const elements = elementsOf(this.file.read(this.offset, this.bytes), this.dtype);
    this.checkFinite(elements);
    return toFloat32(elements, this.dtype);
  }

  /** For an upload that does not pass through JavaScript; native code looks at every number there. */
  region(scale?: number): FileRegion {
    const { file, offset, where: name } = this;
    return { file, offset, elements: this.bytes / BYTES[this.dtype], scale, name };
  }

  private checkFinite(elements: Float32Array | Uint16Array): void {
    const at = firstNonFinite(elements, this.dtype);
    if (at < 0) return;
    const [value] = toFloat32(elements.slice(at, at + 1), this.dtype);
    throw expectedButFound('ERR_FORMAT', 'finite numbers', this.where, `${value} at element ${at}`);
  }
}
