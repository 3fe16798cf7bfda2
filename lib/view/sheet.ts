import sharp from 'sharp';
import { colorStops } from './color-map';
import type { RgbPicture } from './overlay';
import { type Attributes, document, element, escapeXml } from './svg';
import { measure, type Type, typeAttributes } from './typeset';

export const INK = { text: '#1b1f24', muted: '#57606a', line: '#d0d7de', paper: '#ffffff' } as const;

export interface TextStyle {
  type: Type;
  color?: string;
  anchor?: 'start' | 'middle' | 'end';
}

/** A white page on which pictures, text and plain shapes are placed; drawn all at once by `png`. */
export class Sheet {
  private readonly marks: string[] = [];
  private readonly pictures: sharp.OverlayOptions[] = [];

  /** One line of text; `y` is its baseline. */
  text(x: number, y: number, content: string, { type, color = INK.text, anchor = 'start' }: TextStyle): void {
    const attributes = { x, y, fill: color, 'text-anchor': anchor, ...typeAttributes(type) };
    this.marks.push(element('text', attributes, escapeXml(content)));
  }

  rectangle(x: number, y: number, width: number, height: number, style: Attributes): void {
    this.marks.push(element('rect', { x, y, width, height, ...style }));
  }

  line(x1: number, y1: number, x2: number, y2: number, style: Attributes): void {
    this.marks.push(element('line', { x1, y1, x2, y2, stroke: INK.line, ...style }));
  }

  /** A thin line around a place. */
  frame(x: number, y: number, width: number, height: number): void {
    this.rectangle(x - 0.5, y - 0.5, width + 1, height + 1, { fill: 'none', stroke: INK.line });
  }

  /** The colour map from low (left) to high (right). */
  colorBar(x: number, y: number, width: number, height: number): void {
    this.rectangle(x, y, width, height, { fill: 'url(#scale)', rx: height / 2 });
  }

  picture(x: number, y: number, { data, width, height }: RgbPicture): void {
    this.pictures.push({
      input: Buffer.from(data),
      raw: { width, height, channels: 3 },
      left: Math.round(x),
      top: Math.round(y),
    });
  }

  async png(width: number, height: number): Promise<Buffer> {
    // SVG finds the fonts only after each has been used once (see typeset.ts).
    await measure('x', { face: 'regular', size: 10 });
    await measure('x', { face: 'strong', size: 10 });
    const stops = colorStops().map(({ offset, color }) => element('stop', { offset, 'stop-color': color }));
    const svg = document(width, height, [
      element('defs', {}, element('linearGradient', { id: 'scale' }, stops.join(''))),
      element('rect', { width, height, fill: INK.paper }),
      ...this.marks,
    ]);
    return sharp(Buffer.from(svg)).composite(this.pictures).removeAlpha().png().toBuffer();
  }
}
