/** The products of a layer with every tile and number of splits there is, against those that qavit chooses by itself. */
import type { Device } from '../../lib/binding/native';
import { type ComputeDType, type KernelCase, layerCases, type LayerSize, squareProduct } from '../kernel-cases';
import { type Spread, spreadOf } from '../support/quantiles';
import type { Options } from './options';
import { RepeatedOperation } from './repeated-operation';

export interface TileTime {
  /** As QAVIT_CUDA_TILE takes them. */
  tile: number;
  splits: number;
  time: Spread;
  tflops: number;
}

export interface TileResult {
  case: string;
  /** Milliseconds of one product as it is used. */
  chosen: Spread;
  /** Fastest first. */
  tiles: TileTime[];
}

/** Of native/cuda/linear: Hopper's own, or those that every GPU runs. */
const TILES = { hopper: 5, portable: 4 };
const SPLITS = [1, 2, 3, 4, 6, 8, 12, 16];
/** No sum is cut into shorter parts. */
const SHORTEST_PART = 256;
/** So many elements of a result fill every multiprocessor several times, and splitting their sums only costs. */
const FILLING = 2 ** 23;
const SQUARE = 4096;

/** A product that none of the tower's is as long as: what a tile reaches where nothing else matters. */
export const squareCase = (dtype: ComputeDType): KernelCase => squareProduct(SQUARE, dtype);

export const layerProducts = (size: LayerSize, batch: number, dtype: ComputeDType): KernelCase[] =>
  layerCases(size, batch, dtype).filter(({ shape }) => shape?.kind === 'product');

/** @param openWith a device whose products all have this tile, TILE:SPLITS; empty: the one that is chosen */
export async function tileSearch(
  openWith: (tile: string) => Device,
  entry: KernelCase,
  { samples }: Pick<Options, 'samples'>,
): Promise<TileResult> {
  const measure = async (tile: string): Promise<{ time: Spread; family: keyof typeof TILES }> => {
    const device = openWith(tile);
    try {
      const operation = await RepeatedOperation.make(device, entry);
      const time = spreadOf(await operation.run(samples));
      operation.dispose();
      return { time, family: hasHopperKernels(device.info.name) ? 'hopper' : 'portable' };
    } finally {
      await device.close();
    }
  };
  const { time: chosen, family } = await measure('');
  const tiles: TileTime[] = [];
  for (let tile = 0; tile < TILES[family]; tile += 1) {
    for (const splits of splitsOf(entry)) {
      const { time } = await measure(`${tile}:${splits}`);
      tiles.push({ tile, splits, time, tflops: entry.operations / time.median / 1e9 });
    }
  }
  tiles.sort((a, b) => a.time.median - b.time.median);
  return { case: entry.name, chosen, tiles };
}

function splitsOf({ shape }: KernelCase): number[] {
  if (shape?.kind !== 'product') throw new Error('Expected a product');
  const most = shape.rows * shape.out >= FILLING ? 1 : shape.inner / SHORTEST_PART;
  return SPLITS.filter((splits) => splits <= Math.max(1, most));
}

function hasHopperKernels(name: string): boolean {
  return /\b(H100|H200|H800|H20|GH200)\b/.test(name) && !process.env.QAVIT_CUDA_KERNELS?.includes('portable');
}
