import { expectedButFound } from '../errors';
import type { StoredTensor } from './stored-tensor';
import type { TensorSource } from './tensor-file';

/**
 * The tensors of one part of a model, by the names its own class gives them, whatever prefix the file puts in front. Remembers
 * which were asked for, so that leftovers can be reported.
 */
export class NamedTensors {
  private readonly tensors = new Map<string, StoredTensor>();
  private readonly taken = new Set<string>();

  private constructor(private readonly path: string) {}

  /**
   * @param landmark a name that every file of this part holds: the prefix is what stands before it
   * @throws QAViTError ERR_FORMAT where it is missing, or there twice under different prefixes
   */
  static behindPrefix(source: TensorSource, landmark: string): NamedTensors {
    const prefixes = [...source.all]
      .filter(({ name }) => name === landmark || name.endsWith(`.${landmark}`))
      .map(({ name }) => name.slice(0, name.length - landmark.length));
    const [prefix, ...others] = prefixes;
    if (prefix === undefined) throw expectedButFound('ERR_FORMAT', `tensor ${landmark}`, source.path, 'none');
    if (others.length > 0) {
      const names = prefixes.map((p) => `${p}${landmark}`).join(' and ');
      throw expectedButFound('ERR_FORMAT', `one tensor ${landmark}`, source.path, names);
    }
    return NamedTensors.of(source, [prefix]);
  }

  /** Tensors whose names begin with one of `prefixes`, the first that fits; the prefix is dropped. */
  static of(source: TensorSource, prefixes: readonly string[]): NamedTensors {
    const named = new NamedTensors(source.path);
    for (const tensor of source.all) {
      const prefix = prefixes.find((p) => tensor.name.startsWith(p));
      if (prefix === undefined) continue;
      const name = tensor.name.slice(prefix.length);
      const other = named.tensors.get(name);
      if (other)
        throw expectedButFound('ERR_FORMAT', `one tensor ${name}`, source.path, `${other.name} and ${tensor.name}`);
      named.tensors.set(name, tensor);
    }
    return named;
  }

  /**
   * @throws QAViTError ERR_FORMAT where it is missing, ERR_SHAPE where its shape is another, ERR_DTYPE where it holds no floats
   */
  take(name: string, shape: readonly number[]): StoredTensor {
    const tensor = this.tensors.get(name);
    const what = `[${shape.join(', ')}]`;
    if (!tensor) throw expectedButFound('ERR_FORMAT', `tensor ${name} ${what}`, this.path, 'none');
    this.taken.add(name);
    const same = tensor.shape.length === shape.length && shape.every((size, i) => size === tensor.shape[i]);
    if (!same) throw expectedButFound('ERR_SHAPE', what, tensor.where, `[${tensor.shape.join(', ')}]`);
    void tensor.dtype;
    return tensor;
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** The shape the file gives a tensor; ERR_FORMAT where it is missing. */
  shapeOf(name: string): readonly number[] {
    const tensor = this.tensors.get(name);
    if (tensor) return tensor.shape;
    throw expectedButFound('ERR_FORMAT', `tensor ${name}`, this.path, 'none');
  }

  /**
   * Tensors that nobody took mean that the configuration describes another model than the file holds.
   *
   * @param known names that may be there and are not needed
   * @throws QAViTError ERR_FORMAT, naming the first
   */
  expectNoOthers(known: RegExp): void {
    for (const [name, tensor] of this.tensors) {
      if (this.taken.has(name) || known.test(name)) continue;
      throw expectedButFound('ERR_FORMAT', 'tensors that its config.json describes', this.path, `also ${tensor.name}`);
    }
  }
}
