import { expect } from 'chai';
import type { Grid } from '../../lib/grid';
import { resizeGrid } from '../../lib/weights';
import { relativeError } from '../support/compare';
import { turnsDuring } from '../support/event-loop';

const squareOf = (side: number): Grid => ({ rows: side, columns: side });

describe('resizing a grid', () => {
  const grid = [-5, 1, 2, 4, 2, 0, 4, -2, 1, 2, -2, -5, 3, -4, -5, -5];

  /** torch.nn.functional.interpolate(grid, size, mode, align_corners, antialias) in float64. */
  const wanted = {
    bicubic: {
      3: [
        -3.316400892, 1.981481481, 3.103437929, 1.896990741, 1.940429688, -3.268663194, 1.890474966, -4.397135417,
        -5.02501286,
      ],
      6: [
        -6.188753858, -2.329752604, 1.72728588, 1.602575231, 3.242947049, 4.75472608, -1.555447049, -0.8515625,
        0.967737269, 3.323929398, 2.7265625, 1.083224826, 2.613859954, 1.080005787, 0.668781882, 3.436759206,
        0.493489583, -3.499650367, 0.993778935, 1.940827546, 1.941388835, -0.052572284, -3.045572917, -5.006064333,
        2.142252604, 0.8515625, -1.493778935, -3.537471065, -4.9765625, -5.387044271, 3.841531636, -0.604275174,
        -5.299418885, -5.310462481, -5.199544271, -4.977394387,
      ],
    },
    'bicubic-antialiased': {
      3: [
        -2.386821945, 1.878790868, 2.851352837, 1.552435953, 1.330440675, -2.503383177, 1.375380297, -3.653000802,
        -5.156611806,
      ],
      6: [
        -5.889889197, -2.436532508, 1.51084308, 1.701145224, 3.253095975, 4.560941828, -1.78250774, -0.847750865,
        0.900326797, 3.083333333, 2.435986159, 1.225232198, 2.393762183, 1.129221133, 0.58935078, 3.37782386,
        0.366285403, -3.112055312, 1.019249513, 1.747412854, 1.813009045, -0.477135845, -3.188180828, -4.946972466,
        2.20123839, 0.730103806, -1.568491285, -3.558142702, -4.764705882, -5.257739938, 3.626731302, -0.363003096,
        -4.929184942, -5.199287281, -5.140092879, -4.987015235,
      ],
    },
    'bilinear-aligned': {
      3: [-5, 1.5, 4, 1.5, 1, -3.5, 3, -4.5, -5],
      6: [
        -5, -1.4, 1.2, 1.8, 2.8, 4, -0.8, -0.08, 0.96, 2.64, 2.08, 0.4, 1.8, 0.96, 0.88, 2.32, 0.64, -2.6, 1.2, 1.44,
        1.12, -0.32, -2.24, -4.4, 1.8, 0.48, -0.96, -2.64, -3.92, -5, 3, -1.2, -4.2, -4.8, -5, -5,
      ],
    },
    'bilinear-antialiased': {
      3: [-1.82, 1.65, 2.32, 1.35, 1, -2.15, 1.02, -3.15, -4.73],
      6: [
        -5, -2, 1.166666667, 1.833333333, 3, 4, -1.5, -0.5, 0.916666667, 2.583333333, 2, 1, 1.833333333, 1.083333333,
        0.777777778, 2.555555556, 0.25, -2.5, 1.166666667, 1.416666667, 1.222222222, -0.555555556, -2.75, -4.5, 2, 0.5,
        -1.416666667, -3.083333333, -4.25, -5, 3, -0.5, -4.166666667, -4.833333333, -5, -5,
      ],
    },
  } as const;

  /** The same numbers as [2, 8], to [3, 5]. */
  const oblong = {
    bicubic: [
      -3.793497396, 2.125194444, 3.722222222, 0.659695313, 0.289236979, -0.952625, 0.177, 1.375, -2.130125, -2.592125,
      1.888247396, -1.771194444, -0.972222222, -4.919945313, -5.473486979,
    ],
    'bicubic-antialiased': [
      -3.040815674, 2.618893644, 3.198979717, 1.716480381, 0.820491765, -0.567994172, 0.308206392, 0.935821822,
      -0.734767025, -2.373603691, 1.904827331, -2.002480861, -1.327336073, -3.186014431, -5.567699147,
    ],
    'bilinear-aligned': [-5, 1.75, 3, 1, -2, -2, 0.375, 1, -1.625, -3.5, 1, -1, -1, -4.25, -5],
    'bilinear-antialiased': [
      -2.545454545, 2.111111111, 2.833333333, 1.407407407, 0.454545455, -0.568181818, 0.296296296, 0.833333333,
      -0.777777778, -2.272727273, 1.409090909, -1.518518519, -1.166666667, -2.962962963, -5,
    ],
  } as const;

  it('takes the row in whose part of the picture a patch begins, nearest', async () => {
    const square = Float32Array.from({ length: 16 }, (_, i) => i);
    // As Idefics3 looks positions up, in exact arithmetic.
    const taken = { 1: [0], 2: [0, 2], 3: [0, 1, 2], 6: [0, 0, 1, 2, 2, 3], 8: [0, 0, 1, 1, 2, 2, 3, 3] };
    for (const [to, places] of Object.entries(taken)) {
      const expected = places.flatMap((y) => places.map((x) => 4 * y + x));
      expect([...(await resizeGrid(square, squareOf(4), squareOf(Number(to)), 'nearest'))], to).to.deep.equal(expected);
    }
    const oblong = [0, 2].flatMap((y) => taken[3].map((x) => 4 * y + x));
    expect([...(await resizeGrid(square, squareOf(4), { rows: 2, columns: 3 }, 'nearest'))]).to.deep.equal(oblong);
  });

  it('takes the first places where a single one is left, aligned', async () => {
    const row = await resizeGrid(Float32Array.from(grid), squareOf(4), { rows: 1, columns: 3 }, 'bilinear-aligned');
    expect([...row]).to.deep.equal([-5, 1.5, 4]);
  });

  for (const filter of ['bicubic', 'bicubic-antialiased', 'bilinear-aligned', 'bilinear-antialiased'] as const) {
    for (const to of [3, 6] as const) {
      it(`from 4 x 4 to ${to} x ${to} is PyTorch's, ${filter}`, async () => {
        expect(
          relativeError(
            await resizeGrid(Float32Array.from(grid), squareOf(4), squareOf(to), filter),
            wanted[filter][to],
          ),
        ).to.be.below(1e-7);
        // Columns do not mix.
        const pairs = Float32Array.from(grid.flatMap((value) => [value, -2 * value]));
        const both = wanted[filter][to].flatMap((value) => [value, -2 * value]);
        expect(relativeError(await resizeGrid(pairs, squareOf(4), squareOf(to), filter), both)).to.be.below(1e-7);
      });
    }

    it(`from 2 rows of 8 to 3 of 5 is PyTorch's, ${filter}`, async () => {
      const [from, to] = [
        { rows: 2, columns: 8 },
        { rows: 3, columns: 5 },
      ];
      expect(relativeError(await resizeGrid(Float32Array.from(grid), from, to, filter), oblong[filter])).to.be.below(
        1e-7,
      );
    });

    it(`makes of rows what it makes of columns, ${filter}`, async () => {
      // Of two channels, in 4 rows of 2.
      const [rows, columns, channels] = [4, 2, 2];
      const turned = (cells: Float32Array, down: number): number[] =>
        Array.from({ length: cells.length }, (_, i) => {
          const [cell, channel] = [Math.floor(i / channels), i % channels];
          const across = cells.length / channels / down;
          return cells[((cell % down) * across + Math.floor(cell / down)) * channels + channel]!;
        });
      const own = Float32Array.from(grid);
      for (const [down, across] of [
        [9, 1],
        [1, 9],
        [5, 3],
      ] as const) {
        const made = await resizeGrid(own, { rows, columns }, { rows: down, columns: across }, filter);
        const flat = Float32Array.from(turned(own, rows));
        const wanted = await resizeGrid(
          flat,
          { rows: columns, columns: rows },
          { rows: across, columns: down },
          filter,
        );
        expect(relativeError(Float32Array.from(turned(made, down)), wanted)).to.be.below(1e-7);
      }
    });

    it(`keeps a grid of the same size, ${filter}`, async () => {
      expect([...(await resizeGrid(Float32Array.from(grid), squareOf(4), squareOf(4), filter))]).to.deep.equal(grid);
    });

    it(`spreads a single value, and makes one of many, ${filter}`, async () => {
      expect([...(await resizeGrid(Float32Array.of(3, -7), squareOf(1), squareOf(2), filter))]).to.deep.equal([
        3, -7, 3, -7, 3, -7, 3, -7,
      ]);
      expect(await resizeGrid(Float32Array.from(grid), squareOf(4), squareOf(1), filter)).to.have.length(1);
    });
  }

  it('lets other work have its turn where there are many numbers', async () => {
    const width = 2 ** 16;
    const many = new Float32Array(4 * width);
    // 64 cells of 65536 numbers, with a pause after every 16.
    for (const to of [
      { rows: 64, columns: 1 },
      { rows: 1, columns: 64 },
    ]) {
      const resizing = resizeGrid(many, squareOf(2), to, 'bilinear-antialiased');
      expect(await turnsDuring(resizing), JSON.stringify(to)).to.be.at.least(4);
      expect(await resizing).to.have.length(64 * width);
    }
  });
});
