import { hexColorOf } from './color-map';
import { INK, type Sheet } from './sheet';

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

const AXIS = 44;
const FOOT = 26;
const LABEL = { type: { face: 'regular', size: 12 }, color: INK.muted } as const;
/** Above zero and below: two ends of the colour map, so that the sign is seen without reading. */
const POSITIVE = hexColorOf(0.45);
const NEGATIVE = hexColorOf(0.08);

/** The smallest of 1, 2, 5 times a power of ten that is not below `value`. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  // The margin keeps 0.2, stored as slightly more, from becoming 0.5.
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= value * (1 - 1e-6)) ?? 10;
  return Number((factor * power).toPrecision(1));
}

/** Bars that stand on a zero line, with a scale on the left and a label below each. */
export function barChart(sheet: Sheet, box: Box, bars: readonly { label: string; value: number }[]): void {
  const values = bars.map(({ value }) => (Number.isFinite(value) ? value : 0));
  const largest = roundUp(Math.max(...values.map(Math.abs), 0));
  const top = values.some((value) => value > 0) || values.every((value) => value === 0) ? largest : 0;
  const bottom = values.some((value) => value < 0) ? -largest : 0;
  const [left, width] = [box.x + AXIS, box.width - AXIS];
  // Room for a value above the highest bar and below the lowest.
  const [first, height] = [box.y + 18, box.height - 18 - FOOT - (bottom < 0 ? 18 : 0)];
  const yOf = (value: number): number => first + ((top - value) / (top - bottom)) * height;

  const ticks = [top, (top + bottom) / 2, bottom];
  for (const tick of new Set(ticks)) {
    sheet.line(left, yOf(tick), left + width, yOf(tick), { 'stroke-dasharray': tick === 0 ? 'none' : '2 4' });
    sheet.text(left - 8, yOf(tick) + 4, String(Number(tick.toPrecision(2))), { ...LABEL, anchor: 'end' });
  }

  const slot = width / bars.length;
  const thickness = Math.min(slot * 0.6, 44);
  // A label of this size needs about 56 pixels; with many bars only every second, third, ... one is written.
  const every = Math.ceil(56 / slot);
  const decimals = largest < 0.1 ? 3 : 2;
  bars.forEach(({ label }, i) => {
    const value = values[i] ?? 0;
    const center = left + (i + 0.5) * slot;
    sheet.rectangle(
      center - thickness / 2,
      Math.min(yOf(0), yOf(value)),
      thickness,
      Math.max(Math.abs(yOf(value) - yOf(0)), 1),
      {
        fill: value < 0 ? NEGATIVE : POSITIVE,
        rx: 2,
      },
    );
    if (i % every === 0) sheet.text(center, box.y + box.height - 6, label, { ...LABEL, anchor: 'middle' });
    if (slot >= 34) {
      const y = value < 0 ? yOf(value) + 14 : yOf(value) - 6;
      sheet.text(center, y, value.toFixed(decimals), { ...LABEL, anchor: 'middle' });
    }
  });
}
