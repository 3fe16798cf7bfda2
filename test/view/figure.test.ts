import { expect } from 'chai';
import sharp from 'sharp';
import { attentionFigure } from '../../lib/view/attention-figure';
import { barChart, roundUp } from '../../lib/view/bar-chart';
import { type PicturePanel, renderFigure } from '../../lib/view/figure';
import { patchGrid } from '../../lib/view/patch-grid';
import { Sheet } from '../../lib/view/sheet';
import { document, element, escapeXml } from '../../lib/view/svg';
import { measure, wrap } from '../../lib/view/typeset';

const lettersWide = (line: string): Promise<number> => Promise.resolve([...line].length);

describe('view/svg', () => {
  it('escapes what would be markup', () => {
    expect(escapeXml(`<image href="file:///etc/passwd"/> & 'x'`)).to.equal(
      '&lt;image href=&quot;file:///etc/passwd&quot;/&gt; &amp; &apos;x&apos;',
    );
  });

  it('replaces what XML cannot hold', () => {
    expect(escapeXml('a\u0000b\u001bc\ud800d\uffff')).to.equal('a\ufffdb\ufffdc\ufffdd\ufffd');
    expect(escapeXml('plain ünïcode 日本 🙂')).to.equal('plain ünïcode 日本 🙂');
  });

  it('escapes attributes', () => {
    expect(element('a', { b: '"><script>' })).to.equal('<a b="&quot;&gt;&lt;script&gt;"/>');
    expect(document(2, 1, ['<g/>'])).to.equal(
      '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="1" viewBox="0 0 2 1"><g/></svg>',
    );
  });
});

describe('view/typeset', () => {
  it('breaks between words', async () => {
    expect(await wrap('what digit is on it?', 10, 4, lettersWide)).to.deep.equal(['what digit', 'is on it?']);
    expect(await wrap('  ', 10, 4, lettersWide)).to.deep.equal([]);
  });

  it('breaks inside a word that is wider than a line, never inside a character', async () => {
    expect(await wrap('🙂🙂🙂🙂🙂 b', 2, 4, lettersWide)).to.deep.equal(['🙂🙂', '🙂🙂', '🙂', 'b']);
  });

  it('ends with an ellipsis where lines run out', async () => {
    const lines = await wrap('one two three four five six', 9, 2, lettersWide);
    expect(lines).to.deep.equal(['one two', 'three…']);
    expect(await wrap('x'.repeat(100_000), 20, 1, lettersWide)).to.deep.equal([`${'x'.repeat(19)}…`]);
  });

  it('measures with the font that is shipped, markup included as text', async () => {
    const [narrow, wide, larger] = await Promise.all([
      measure('iiiii', { face: 'regular', size: 14 }),
      measure('WWWWW', { face: 'regular', size: 14 }),
      measure('iiiii', { face: 'regular', size: 28 }),
    ]);
    expect(wide).to.be.greaterThan(2 * narrow);
    expect(larger).to.be.within(2 * narrow - 2, 2 * narrow + 2);
    expect(await measure('<b>&', { face: 'strong', size: 14 })).to.be.greaterThan(20);
    for (const unseen of ['', ' ', '\u200b', '\u200f', '\u00ad', '\ufe0f\u2060', '\u2800'])
      expect(await measure(unseen, { face: 'strong', size: 14 }), unseen).to.equal(0);
  });
});

describe('view/bar-chart', () => {
  it('rounds the scale up to 1, 2 or 5', () => {
    expect(roundUp(Math.fround(0.2))).to.equal(0.2);
    expect([0.2, 0.21, 0.7, 1, 1.2, 0.034, 0].map(roundUp)).to.deep.equal([0.2, 0.5, 1, 1, 2, 0.05, 1]);
  });

  it('draws gates that are zero, negative or no numbers', async () => {
    const sheet = new Sheet();
    const bars = [0, -0.5, NaN, 0.25].map((value, i) => ({ label: `layer ${i}`, value }));
    barChart(sheet, { x: 0, y: 0, width: 400, height: 200 }, bars);
    barChart(sheet, { x: 0, y: 200, width: 400, height: 200 }, []);
    const { data, info } = await sharp(await sheet.png(400, 400))
      .raw()
      .toBuffer({ resolveWithObject: true });
    const dark = Array.from({ length: 200 * 400 }, (_, i) => (data[i * info.channels] ?? 255) < 120).filter(Boolean);
    expect(dark.length, 'pixels of bars').to.be.greaterThan(2000);
  });
});

describe('view/figure', () => {
  const picture = { data: new Uint8Array(16 * 8 * 3).fill(200), width: 16, height: 8 };
  const grid = (peak: number) =>
    patchGrid(
      Float32Array.from({ length: 9 }, (_, i) => (i === peak ? 1 : 0)),
      2,
      4,
    );
  const effect = (question: string, peak: number) => ({
    question,
    answer: '7',
    change: grid(peak),
    attention: grid(peak),
  });
  const figureOf = (...questions: string[]) =>
    attentionFigure({
      picture,
      plain: grid(3),
      questions: questions.map((question, i) => effect(question, i + 1)),
      gates: [{ layer: 2, value: 0.4 }],
      subtitle: 'test',
    });

  it('puts the hottest patch where it is in a picture that is not square, and questions side by side', async () => {
    const file = await renderFigure(figureOf('first?', 'second?'));
    const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
    expect(info).to.include({ format: 'raw', width: 1356, channels: 3 });
    const yellow = (x: number, y: number): boolean => {
      const at = (y * info.width + x) * 3;
      return (data[at] ?? 0) > 180 && (data[at + 2] ?? 255) < 110;
    };
    const columns = new Set<number>();
    for (let y = 0; y < info.height / 2; y++) for (let x = 0; x < info.width; x++) if (yellow(x, y)) columns.add(x);
    // Panels are 300 pixels wide at 36, 364, 692, 1020; of 4 patches each takes 75.
    // The first value is the class token's, so the peaks are in the third patch (plain), the first (A) and the second (B).
    const within = (from: number): number => [...columns].filter((x) => x >= from && x < from + 75).length;
    expect(within(364 + 150), 'plain ViT').to.be.greaterThan(8);
    expect(within(692), 'question A').to.be.greaterThan(8);
    expect(within(1020 + 75), 'question B').to.be.greaterThan(8);
    expect(within(692 + 150), 'question A, third patch').to.equal(0);
    // Below them the attention to A, as high as it is above: half as high as wide.
    const isMap = (y: number): boolean => (data[(y * info.width + 985) * 3 + 2] ?? 255) < 180;
    const rows = Array.from({ length: info.height }, (_, y) => y).filter(isMap);
    expect(rows.length).to.be.within(300, 330);
  });

  it('writes the ends of a scale with as many decimals as tell them apart', () => {
    const endsOf = (low: number, high: number) => {
      const change = patchGrid(Float32Array.of(low, high), 1, 2);
      const questions = [{ ...effect('what?', 1), change }];
      const { rows } = attentionFigure({ picture, plain: change, questions, gates: [], subtitle: '' });
      return rows[0]!.flatMap((panel) => {
        if (panel.kind !== 'picture' || !panel.map) return [];
        const { scale } = panel.map;
        return [scale.format(scale.range.low), scale.format(scale.range.high)];
      });
    };
    expect(endsOf(0.031, 0.158)).to.deep.equal(['0.03', '0.16', '3 %', '16 %']);
    expect(endsOf(1.001, 1.0125)).to.deep.equal(['1.001', '1.013', '100.1 %', '101.3 %']);
    expect(endsOf(0, 0)).to.deep.equal(['0', '0', '0 %', '0 %']);
  });

  it('says what is outlined before a question, however long that is', () => {
    const captionOf = (question: string, outlined: number) => {
      const best = { patches: [1], rows: 2, columns: 4 };
      const questions = [{ ...effect(question, 1), best }];
      const { rows } = attentionFigure({ picture, plain: grid(3), questions, gates: [], subtitle: '', outlined });
      return rows[0]!.at(-1)!.caption;
    };
    expect(captionOf('long '.repeat(100), 4)).to.match(/^Outlined: the 4 tokens rated highest for “long long /);
    expect(captionOf('what?', 1)).to.equal('Outlined: the token rated highest for “what?”');
  });

  it('has room for the words of a scale under a narrow picture, and for bars beside a low one', async () => {
    const of = (width: number, height: number) => ({ data: new Uint8Array(width * height * 3), width, height });
    const grid = { values: Float32Array.of(0, 1), rows: 2, columns: 1 };
    const scale = { label: '', range: { low: 0, high: 1 }, format: () => '' };
    const words = { title: '', caption: '' };
    const narrow = { kind: 'picture', ...words, picture: of(4, 16), map: { grid, scale } } as const;
    const bars = { kind: 'bars', ...words, bars: [{ label: 'a', value: 1 }], span: 1 } as const;
    const drawn = async (...panels: (typeof narrow | typeof bars | PicturePanel)[]) =>
      sharp(await renderFigure({ title: '', subtitle: '', rows: [panels] }))
        .raw()
        .toBuffer({ resolveWithObject: true });
    const { data, info } = await drawn(narrow);
    // The picture is 105 pixels wide, its column 300 from 36 on.
    const isColoured = (x: number): boolean =>
      Array.from({ length: info.height }, (_, y) => data[(y * info.width + x) * 3 + 2] ?? 255).some(
        (blue) => blue < 200,
      );
    expect([140, 141 + 10, 330].map(isColoured)).to.deep.equal([true, true, true]);
    expect(isColoured(345)).to.equal(false);
    const low = { kind: 'picture', ...words, picture: of(64, 1) } as const;
    const [alone, beside] = [await drawn(low), await drawn(low, bars)];
    expect(beside.info.height).to.be.at.least(alone.info.height + 140);
  });

  it('shows where a picture ends that is as white as the page', async () => {
    const white = { ...picture, data: new Uint8Array(16 * 8 * 3).fill(255) };
    const panel = { kind: 'picture', title: '', caption: '', picture: white } as const;
    const { channels } = await sharp(await renderFigure({ title: '', subtitle: '', rows: [[panel]] })).stats();
    for (const { min } of channels) expect(min).to.be.below(240);
  });

  it('survives any question', async () => {
    const hostile = `</text><image href="file:///etc/passwd"/> &amp; \u0000 \u202e ${'long '.repeat(5000)}`;
    const { width, format } = await sharp(await renderFigure(figureOf(hostile))).metadata();
    expect({ width, format }).to.deep.equal({ width: 1028, format: 'png' });
  });
});
