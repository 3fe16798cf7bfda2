import { constantRow } from '../blocks/constant-row';
import { concatRows, type Graph, type Parameter, patchEmbed, type Tensor } from '../graph';
import type { Grid } from '../grid';
import {
  computed,
  type FoldContext,
  foldPixels,
  type NamedTensors,
  type PixelNormalization,
  resizeGrid,
} from '../weights';
import { patchesOf } from './tower';
import type { TowerArchitecture } from './towers';

/** How pixels become the tower's first tokens. */
export interface PixelEmbedding {
  /** M */
  readonly tokens: number;
  /** Pixels u8 [B, image height, image width * 3] -> [B, M, C]: class token, registers, patches. */
  embed(g: Graph, pixels: Tensor): Tensor;
}

/**
 * Patch kernels, class token, registers and the position table, for pictures of so many patches. The table is interpolated where the
 * architecture's own pictures have others.
 */
export function pixelEmbedding(
  architecture: TowerArchitecture,
  tensors: NamedTensors,
  pixels: PixelNormalization,
  grid: Grid,
): PixelEmbedding {
  const { width, patch, registers, names } = architecture;
  const hasClass = names.classToken !== undefined;
  const first = hasClass ? 1 : 0;
  const patches = grid.rows * grid.columns;
  const kernels = tensors.take(names.kernels, [width, 3, patch, patch]);
  const bias = names.kernelBias === undefined ? undefined : tensors.take(names.kernelBias, [width]);
  const classToken = names.classToken === undefined ? undefined : takeTable(tensors, names.classToken, [width]);
  const readPositions = takePositions(architecture, tensors, first, grid);
  const fold = ({ dtype }: FoldContext) => {
    const embedding = {
      kernels: kernels.read(),
      bias: bias?.read(),
      classToken: classToken?.read(),
      positions: readPositions(),
      width,
      patch,
    };
    return foldPixels(embedding, pixels, dtype);
  };
  const embedding = {
    weight: computed(kernels.name, 'matrix', [width, patch * patch * 3], (context) => fold(context).weight),
    table: computed(`${kernels.name} (table)`, 'table', [first + patches, width], (context) => fold(context).table),
  };
  const rows = names.registers === undefined ? [] : registerRows(tensors, names.registers, registers, width);
  const zeros = computed('zeros', 'vector', [width], () => new Float32Array(width));
  return {
    tokens: first + registers + patches,
    embed(g, bytes) {
      const scope = g.scope('embeddings');
      const x = patchEmbed(scope, bytes, embedding, { patch, hasClass });
      if (rows.length === 0) return x;
      const like = x.sliceRows(0, 1, '1');
      const between = rows.map((row, i) => constantRow(scope.scope('registers').scope(i), like, { row, zeros }));
      const before = hasClass ? [like] : [];
      return concatRows(scope.scope('tokens'), [...before, ...between, x.sliceRows(first, x.rows.size)], 'M');
    },
  };
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
  grid: Grid,
): () => Float32Array {
  const size = (first + grid.rows * grid.columns) * width;
  if (names.positions === undefined || interpolation === undefined) return () => new Float32Array(size);
  const from = patchesOf({ width: image, height: image }, patch);
  const stored = takeTable(tensors, names.positions, [first + from.rows * from.columns, width]);
  return () => {
    const table = stored.read();
    if (from.rows === grid.rows && from.columns === grid.columns) return table;
    const positions = new Float32Array(size);
    positions.set(table.subarray(0, first * width));
    positions.set(resizeGrid(table.subarray(first * width), from, grid, interpolation), first * width);
    return positions;
  };
}

function registerRows(tensors: NamedTensors, name: string, count: number, width: number): Parameter[] {
  const all = tensors.take(name, [1, count, width]);
  return Array.from({ length: count }, (_, i) =>
    computed(`${name}[${i}]`, 'vector', [width], () => all.read().slice(i * width, (i + 1) * width)),
  );
}
