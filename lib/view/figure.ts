import { barChart } from './bar-chart';
import { outline, type PatchSet } from './outline';
import { fitInto, overlay, type RgbPicture } from './overlay';
import type { PatchGrid, Range } from './patch-grid';
import { INK, Sheet, type TextStyle } from './sheet';
import { measure, type Type, wrap } from './typeset';

/** What the colours of a heat map mean. Panels that are compared share one. */
export interface Scale {
  label: string;
  range: Range;
  /** How the ends of the range are written. */
  format(value: number): string;
}

export interface PicturePanel {
  kind: 'picture';
  title: string;
  caption: string;
  /** A line below the caption that stands out from it. */
  highlight?: string;
  picture: RgbPicture;
  /** A heat map over the picture. */
  map?: { grid: PatchGrid; scale: Scale };
  /** Patches with a line around them. */
  outlined?: PatchSet;
}

export interface BarPanel {
  kind: 'bars';
  title: string;
  caption: string;
  bars: readonly { label: string; value: number }[];
  /** Columns it takes. */
  span: number;
}

export type Panel = PicturePanel | BarPanel;

export interface Figure {
  title: string;
  subtitle: string;
  /** Panels side by side, row below row. */
  rows: readonly (readonly Panel[])[];
}

const MARGIN = 36;
const COLUMN = 300;
const GUTTER = 28;
/** Taller pictures are fitted into this height. */
const TALLEST = 420;
/** Bars beside low pictures are as tall. */
const LOWEST = 150;
const LINE = 20;
const HEADLINE: Type = { face: 'strong', size: 21 };
const TITLE: Type = { face: 'strong', size: 15 };
const BODY: Type = { face: 'regular', size: 14 };
const EMPHASIS: Type = { face: 'strong', size: 14 };
const SMALL: Type = { face: 'regular', size: 12 };
const CAPTION_LINES = 4;
const HIGHLIGHT_LINES = 2;

const spanOf = (panel: Panel): number => (panel.kind === 'bars' ? panel.span : 1);
const widthOf = (columns: number): number => columns * COLUMN + (columns - 1) * GUTTER;

function colorScale(sheet: Sheet, x: number, y: number, width: number, scale: Scale): void {
  const style = { type: SMALL, color: INK.muted };
  sheet.colorBar(x, y, width, 8);
  sheet.text(x, y + 24, scale.format(scale.range.low), style);
  sheet.text(x + width / 2, y + 24, scale.label, { ...style, anchor: 'middle' });
  sheet.text(x + width, y + 24, scale.format(scale.range.high), { ...style, anchor: 'end' });
}

interface CaptionLine {
  text: string;
  style: TextStyle;
}

async function captionOf(panel: Panel): Promise<CaptionLine[]> {
  const broken = (text: string, maxLines: number, type: Type): Promise<string[]> =>
    wrap(text, widthOf(spanOf(panel)), maxLines, (line) => measure(line, type));
  const caption = await broken(panel.caption, CAPTION_LINES, BODY);
  const highlight =
    panel.kind === 'picture' && panel.highlight ? await broken(panel.highlight, HIGHLIGHT_LINES, EMPHASIS) : [];
  return [
    ...caption.map((text) => ({ text, style: { type: BODY, color: INK.muted } })),
    ...highlight.map((text) => ({ text, style: { type: EMPHASIS } })),
  ];
}

async function pictureOf(panel: Panel): Promise<RgbPicture | undefined> {
  return panel.kind === 'picture' ? fitInto(panel.picture, COLUMN, TALLEST) : undefined;
}

/** Draws one row from `top` down and returns its height. */
async function drawRow(sheet: Sheet, panels: readonly Panel[], top: number): Promise<number> {
  const captions = await Promise.all(panels.map(captionOf));
  const pictures = await Promise.all(panels.map(pictureOf));
  const head = LINE + Math.max(...captions.map((lines) => lines.length)) * LINE + 10;
  const bodyHeight = Math.max(...panels.map((panel, i) => pictures[i]?.height ?? (panel.kind === 'bars' ? LOWEST : 0)));
  let x = MARGIN;
  panels.forEach((panel, i) => {
    const width = widthOf(spanOf(panel));
    sheet.text(x, top + 15, panel.title, { type: TITLE });
    captions[i]?.forEach(({ text, style }, n) => sheet.text(x, top + 15 + (n + 1) * LINE, text, style));
    const picture = pictures[i];
    if (panel.kind === 'bars') {
      barChart(sheet, { x, y: top + head, width, height: bodyHeight }, panel.bars);
    } else if (picture) {
      const mapped = panel.map ? overlay(picture, panel.map.grid, panel.map.scale.range) : picture;
      sheet.picture(x, top + head, panel.outlined ? outline(mapped, panel.outlined) : mapped);
      // As wide as the column under a narrow picture too, or its words would lie over each other.
      if (panel.map) colorScale(sheet, x, top + head + picture.height + 10, COLUMN, panel.map.scale);
      // Many pictures are white at their edges, as the sheet is.
      else sheet.frame(x, top + head, picture.width, picture.height);
    }
    x += width + GUTTER;
  });
  return head + bodyHeight + 36;
}

/** Draws a figure as a PNG file. */
export async function renderFigure(figure: Figure): Promise<Buffer> {
  const columns = Math.max(...figure.rows.map((panels) => panels.reduce((sum, panel) => sum + spanOf(panel), 0)));
  const sheet = new Sheet();
  sheet.text(MARGIN, MARGIN + 18, figure.title, { type: HEADLINE });
  const subtitle = await wrap(figure.subtitle, widthOf(columns), 2, (line) => measure(line, BODY));
  subtitle.forEach((line, n) => sheet.text(MARGIN, MARGIN + 44 + n * LINE, line, { type: BODY, color: INK.muted }));
  let y = MARGIN + 44 + subtitle.length * LINE + 10;
  for (const panels of figure.rows) y += (await drawRow(sheet, panels, y)) + 26;
  return sheet.png(widthOf(columns) + 2 * MARGIN, y - 26 + MARGIN);
}
