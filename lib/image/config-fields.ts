import { expected } from '../errors';
import type { Grid } from '../grid';
import { asObject, JsonFields } from '../json-fields';
import { isJsonObject, type JsonObject } from '../json-file';
import type { StatedResizeRule } from './geometry';

type Triple = readonly [number, number, number];

/** Far above any tower, and small enough that no product of two sides loses precision. */
const MAX_SIDE = 16384;
/** Beyond any use of a tower, and few enough that their number is exact. */
export const MAX_PIXELS = 2 ** 31;

/** The fields of a preprocessor_config.json. */
export class ConfigFields extends JsonFields {
  private readonly json: JsonObject;

  constructor(json: unknown, path: string) {
    const object = asObject(json, path);
    super(path, object);
    this.json = object;
  }

  /** Null is false here, whatever an absent one means: transformers keeps it, and asks whether a step is on. */
  override flag(key: string, absent = false): boolean {
    return this.json[key] !== null && super.flag(key, absent);
  }

  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  nonZero(key: string, absent: number): number {
    const value = this.value(key) ?? absent;
    if (isFiniteNumber(value) && value !== 0) return value;
    throw expected('ERR_FORMAT', 'a number other than 0', this.where(key), value);
  }

  /** Of tiles: far more than any model was trained with is far less than what would take long to choose from. */
  count(key: string, absent: number): number {
    return this.whole(key, absent, 100);
  }

  /** An integer from 1 on. */
  whole(key: string, absent: number, most = MAX_SIDE): number {
    return this.side(this.value(key) ?? absent, key, most);
  }

  /** A number of pixels, or what `size` has in its place, which is there or has a default of its own. */
  pixels(key: string, edge: string, absent: number): number {
    const size = this.value('size') === undefined ? absent : this.object('size').value(edge);
    const value = this.value(key) ?? size;
    return this.side(value, this.has(key) ? key : `size.${edge}`, MAX_PIXELS);
  }

  /** Three numbers, or one for all channels. */
  triple(key: string, absent: Triple): Triple {
    const value = this.value(key) ?? absent;
    const items = isFiniteNumber(value) ? [value, value, value] : value;
    if (isTriple(items)) return items;
    throw expected('ERR_FORMAT', 'three numbers', this.where(key), value);
  }

  nonZeroTriple(key: string, absent: Triple): Triple {
    const items = this.triple(key, absent);
    if (items.every((item) => item !== 0)) return items;
    throw expected('ERR_FORMAT', 'three numbers other than 0', this.where(key), items);
  }

  /** `224`, `[height, width]`, or an object with one of the sets of keys that CLIP's processor knows. */
  size(key: string, absent: unknown, square: boolean): StatedResizeRule {
    const value = this.value(key) ?? absent;
    if (typeof value === 'number') {
      const side = this.side(value, key);
      return square ? { kind: 'exact', width: side, height: side } : { kind: 'shortest-edge', shortest: side };
    }
    if (Array.isArray(value) && value.length === 2) {
      return { kind: 'exact', height: this.side(value[0], `${key}[0]`), width: this.side(value[1], `${key}[1]`) };
    }
    if (!isJsonObject(value)) throw expected('ERR_FORMAT', 'an integer or an object', this.where(key), value);
    return this.sizeObject(key, value);
  }

  /** `{ longest_edge }`, up to 4096, where Idefics3 ends. */
  longestEdge(key: string, absent: unknown): number {
    const value = this.value(key) ?? absent;
    if (!isJsonObject(value)) throw expected('ERR_FORMAT', 'an object', this.where(key), value);
    const [name, ...others] = Object.keys(value).filter((each) => value[each] !== null);
    if (name !== 'longest_edge' || others.length > 0) {
      throw expected('ERR_UNSUPPORTED', 'the key longest_edge', this.where(key), Object.keys(value));
    }
    return this.side(value.longest_edge, `${key}.longest_edge`, 4096);
  }

  /** Grids of tiles of `side` pixels, from heights and widths; of up to 100 tiles, as many as there can be of one size. */
  grids(key: string, absent: unknown, side: number): Grid[] {
    const value = this.value(key) ?? absent;
    if (!Array.isArray(value) || value.length < 1 || value.length > 1000) {
      throw expected('ERR_FORMAT', 'an array of 1 to 1000 sizes', this.where(key), value);
    }
    return value.map((size: unknown) => {
      const edges: unknown[] = Array.isArray(size) ? size : [];
      const [rows = 0, columns = 0, ...others] = edges.map((edge) => (isFiniteNumber(edge) ? edge / side : 0));
      const whole = [rows, columns].every((count) => Number.isInteger(count) && count >= 1);
      if (whole && others.length === 0 && rows * columns <= 100) return { rows, columns };
      const what = `[height, width] of up to 100 tiles of ${side} pixels`;
      throw expected('ERR_UNSUPPORTED', what, this.where(key), size);
    });
  }

  private sizeObject(key: string, value: JsonObject): StatedResizeRule {
    const side = (name: string) => this.side(value[name], `${key}.${name}`);
    const names = Object.keys(value).filter((name) => value[name] !== null);
    switch (names.sort().join()) {
      case 'height,width':
        return { kind: 'exact', height: side('height'), width: side('width') };
      case 'shortest_edge':
        return { kind: 'shortest-edge', shortest: side('shortest_edge') };
      case 'longest_edge,shortest_edge':
        return { kind: 'shortest-edge', shortest: side('shortest_edge'), longest: side('longest_edge') };
    }
    const what = 'the keys height and width, shortest_edge, or shortest_edge and longest_edge';
    throw expected('ERR_UNSUPPORTED', what, this.where(key), names);
  }

  private side(value: unknown, key: string, most = MAX_SIDE): number {
    if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most) return value as number;
    throw expected('ERR_FORMAT', `an integer from 1 to ${most}`, this.where(key), value);
  }
}

function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isTriple(value: unknown): value is [number, number, number] {
  return Array.isArray(value) && value.length === 3 && value.every(isFiniteNumber);
}
