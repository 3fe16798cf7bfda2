import { constantRow } from '../blocks/constant-row';
import { concatRows, dim, type Graph, type Parameter, patchEmbed, type Tensor } from '../graph';
import type { Grid } from '../grid';
import {
  computed,
  type FoldContext,
  foldPixels,
  foldTable,
  type NamedTensors,
  type PixelNormalization,
  resizeGrid,
  type StoredDType,
} from '../weights';
import { patchesOf } from './tower';
import type { TowerArchitecture } from './towers';

/** How pixels become the tower's first tokens, for pictures of one size. */
export interface PixelEmbedding {
  /** M */
  readonly tokens: number;
  /** The position table, f32 [M without registers, C]; or that of a line of patches, where all lines are alike. */
  readonly table: Parameter;
  /** Pixels u8 [B, image height, image width * 3] -> [B, M, C]: class token, registers, patches. */
  embed(g: Graph, pixels: Tensor): Tensor;
}

/**
 * Patch kernels, class token, registers and the position table.
 *
 * @param sizes of the pictures that come; where they are `several`, what tables are made from stays in memory: sizes come up when the
 *   file may be another already
 * @returns for pictures of so many patches: the table is interpolated where the architecture's own pictures have others, all else is
 *   theirs together
 */
export function pixelEmbedding(
  architecture: TowerArchitecture,
  tensors: NamedTensors,
  pixels: PixelNormalization,
  sizes: 'one' | 'several',
): (grid: Grid) => PixelEmbedding {
  const { width, patch, registers, names } = architecture;
  const hasClass = names.classToken !== undefined;
  const first = hasClass ? 1 : 0;
  const kernels = takeKernels(architecture, tensors);
  const bias = names.kernelBias === undefined ? undefined : tensors.take(names.kernelBias, [width]);
  const keep = sizes === 'several' ? readOnce : (read: Read) => read;
  const classToken = names.classToken === undefined ? undefined : takeTable(tensors, names.classToken, [width]);
  const readClass = classToken && keep(() => classToken.read());
  const readPositions = takePositions(architecture, tensors, first, keep);
  // One a dtype, for the tables of all sizes.
  const constants = new Map<StoredDType, Float64Array>();
  const fold = ({ dtype }: FoldContext) => {
    const folded = foldPixels({ kernels: kernels.read(), bias: bias?.read(), width, patch }, pixels, dtype);
    constants.set(dtype, folded.constant);
    return folded;
  };
  const weight = computed(kernels.name, 'matrix', [width, patch * patch * 3], (context) => fold(context).weight);
  const rows = names.registers === undefined ? [] : registerRows(tensors, names.registers, registers, width);
  // What is added to a patch is the same wherever it is. Own shapes have no pixels beside whole patches.
  const linesAlike = sizes === 'several' && names.positions === undefined && !hasClass;
  const zeros = computed('zeros', 'vector', [width], () => new Float32Array(width));
  return (grid) => {
    const patches = grid.rows * grid.columns;
    const tabled = linesAlike ? { rows: 1, columns: grid.columns } : grid;
    const entries = first + tabled.rows * tabled.columns;
    const table = computed(`${kernels.name} (table)`, 'table', [entries, width], async (context) =>
      foldTable({
        positions: await readPositions(tabled),
        constant: constants.get(context.dtype) ?? fold(context).constant,
        classToken: readClass?.(),
      }),
    );
    return {
      tokens: first + registers + patches,
      table,
      embed(g, bytes) {
        const scope = g.scope('embeddings');
        const x = linesAlike
          ? embedLines(scope, bytes, { weight, table }, { patch, grid })
          : patchEmbed(scope, bytes, { weight, table }, { patch, hasClass });
        if (rows.length === 0) return x;
        const like = x.sliceRows(0, 1, '1');
        const between = rows.map((row, i) => constantRow(scope.scope('registers').scope(i), like, { row, zeros }));
        const before = hasClass ? [like] : [];
        return concatRows(scope.scope('tokens'), [...before, ...between, x.sliceRows(first, x.rows.size)], 'M');
      },
    };
  };
}

/** Each line of patches as a picture of its own. */
function embedLines(
  g: Graph,
  pixels: Tensor,
  parameters: { weight: Parameter; table: Parameter },
  { patch, grid }: { patch: number; grid: Grid },
): Tensor {
  const lines = dim('lines', pixels.batch.size * grid.rows);
  const each = patchEmbed(g, pixels.reshape([lines, dim('P', patch), pixels.columns]), parameters, {
    patch,
    hasClass: false,
  });
  return each.reshape([pixels.batch, dim('M', grid.rows * grid.columns), each.columns]);
}

type Read = () => Float32Array;

function readOnce(read: Read): Read {
  let numbers: Float32Array | undefined;
  return () => (numbers ??= read());
}

/** Convolution kernels [C, 3, P, P], whichever way a file has them. */
function takeKernels({ width, patch, names }: TowerArchitecture, tensors: NamedTensors) {
  const { kernels: name, kernelsOver: over = 'channels' } = names;
  const area = patch * patch;
  if (over === 'channels') return tensors.take(name, [width, 3, patch, patch]);
  if (over === 'pixels') {
    const flat = tensors.take(name, [width, area * 3]);
    return { name: flat.name, read: () => channelsFirst(flat.read(), area) };
  }
  const { frames } = over;
  const film = tensors.take(name, [width, 3, frames, patch, patch]);
  return { name: film.name, read: () => overFrames(film.read(), frames, area) };
}

/** From (C, pixel, channel) to (C, channel, pixel). */
function channelsFirst(flat: Float32Array, area: number): Float32Array {
  const kernels = new Float32Array(flat.length);
  for (let start = 0; start < flat.length; start += area * 3) {
    for (let i = 0; i < area; i++) {
      for (let channel = 0; channel < 3; channel++)
        kernels[start + channel * area + i] = flat[start + i * 3 + channel]!;
    }
  }
  return kernels;
}

/** From (C, channel, frame, pixel) to (C, channel, pixel): what a film says that stands still. */
function overFrames(film: Float32Array, frames: number, area: number): Float32Array {
  return Float32Array.from({ length: film.length / frames }, (_, i) => {
    const start = Math.floor(i / area) * frames * area + (i % area);
    let sum = 0;
    for (let frame = 0; frame < frames; frame++) sum += film[start + frame * area]!;
    return sum;
  });
}

/** Some classes put dimensions of 1 in front of a table. */
function takeTable(tensors: NamedTensors, name: string, shape: readonly number[]) {
  const ones = Math.max(0, tensors.shapeOf(name).length - shape.length);
  return tensors.take(name, [...Array<number>(ones).fill(1), ...shape]);
}

/** Of the class token, whose position never changes, and of the patches: what is added to them, [first + patches, C]. */
function takePositions(
  { width, patch, image, interpolation, names }: TowerArchitecture,
  tensors: NamedTensors,
  first: number,
  keep: (read: Read) => Read,
): (grid: Grid) => Promise<Float32Array> {
  const sizeOf = (grid: Grid): number => (first + grid.rows * grid.columns) * width;
  if (names.positions === undefined || interpolation === undefined) {
    return (grid) => Promise.resolve(new Float32Array(sizeOf(grid)));
  }
  const from = patchesOf({ width: image, height: image }, patch);
  const stored = takeTable(tensors, names.positions, [first + from.rows * from.columns, width]);
  const read = keep(() => stored.read());
  return async (grid) => {
    const table = read();
    if (from.rows === grid.rows && from.columns === grid.columns) return table;
    const positions = new Float32Array(sizeOf(grid));
    positions.set(table.subarray(0, first * width));
    positions.set(await resizeGrid(table.subarray(first * width), from, grid, interpolation), first * width);
    return positions;
  };
}

function registerRows(tensors: NamedTensors, name: string, count: number, width: number): Parameter[] {
  const all = tensors.take(name, [1, count, width]);
  return Array.from({ length: count }, (_, i) =>
    computed(`${name}[${i}]`, 'vector', [width], () => all.read().slice(i * width, (i + 1) * width)),
  );
}
