/** Ratios as bars: one group for each case, one bar for each peer, a line where both are equal. */
import { hexColorOf } from '../../lib/view/color-map';
import { INK } from '../../lib/view/sheet';
import { type Attributes, document, element, escapeXml } from '../../lib/view/svg';
import { PEER_NAMES } from '../peers';
import { times } from './figures';
import { type AnyResult, type CaseResult, isKernels, titleOf } from './results';

const WIDTH = 980;
const LEFT = 370;
const BAR = 16;
const HEAD = 64;
const GAP = 10;
const FONT = 'system-ui, sans-serif';

const text = (x: number, y: number, content: string, more: Attributes = {}): string =>
  element('text', { x, y, 'font-family': FONT, 'font-size': 12, fill: INK.text, ...more }, escapeXml(content));

/** A colour for each peer, the same in every chart; the light end of the map would vanish on white. */
const colorOf = (peer: string): string =>
  hexColorOf(
    (0.85 *
      Math.max(
        0,
        PEER_NAMES.findIndex((name) => name === peer),
      )) /
      (PEER_NAMES.length - 1),
  );

/** Bars end here, so that those near 1 can be told apart; a longer one is cut and says so. */
const LONGEST = 4;

function bar(peer: string, median: number, y: number, scale: number): string[] {
  const width = Math.max(1, Math.min(median, LONGEST) * scale);
  const cut = median > LONGEST;
  const gap = {
    x: LEFT + width - 14,
    y,
    width: 4,
    height: BAR,
    fill: INK.paper,
    transform: `skewX(-12) translate(${0.21 * y} 0)`,
  };
  return [
    element('rect', { x: LEFT, y: y + 2, width, height: BAR - 4, fill: colorOf(peer), rx: 2 }),
    ...(cut ? [element('rect', gap)] : []),
    text(LEFT + width + 6, y + BAR - 4, `${times(median)} ${peer}`, { fill: INK.muted }),
  ];
}

function group(result: CaseResult, top: number, scale: number): string[] {
  const bars = Object.entries(result.ratios).flatMap(([peer, { median }], i) =>
    bar(peer, median, top + i * BAR, scale),
  );
  return [text(LEFT - 10, top + BAR - 4, titleOf(result), { 'text-anchor': 'end' }), ...bars];
}

/** SVG; undefined where there is nothing to compare. */
export function chart(results: readonly AnyResult[]): string | undefined {
  const cases = results.filter(
    (result): result is CaseResult => !isKernels(result) && Object.keys(result.ratios).length > 0,
  );
  if (cases.length === 0) return undefined;
  const largest = Math.min(
    LONGEST,
    Math.max(1, ...cases.flatMap(({ ratios }) => Object.values(ratios).map(({ median }) => median))),
  );
  // Room for the words behind the longest bar.
  const scale = (WIDTH - LEFT - 170) / largest;
  let top = HEAD;
  const groups: string[] = [];
  for (const entry of cases) {
    groups.push(...group(entry, top, scale));
    top += Object.keys(entry.ratios).length * BAR + GAP;
  }
  const one = LEFT + scale;
  return document(WIDTH, top + GAP, [
    element('rect', { width: WIDTH, height: top + GAP, fill: INK.paper }),
    text(16, 26, 'How many times as long as qavit each peer takes', { 'font-size': 16 }),
    text(one, HEAD - 10, 'as fast as qavit', { 'text-anchor': 'middle', fill: INK.muted }),
    element('line', { x1: LEFT, y1: HEAD - 4, x2: LEFT, y2: top, stroke: INK.line }),
    ...groups,
    element('line', { x1: one, y1: HEAD - 4, x2: one, y2: top, stroke: INK.text, 'stroke-dasharray': '4 3' }),
  ]);
}
