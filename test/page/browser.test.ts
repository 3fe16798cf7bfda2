import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { root } from '../support/paths';
import { audit } from './audit';
import { type Visit, withChromium } from './chromium';
import { shareOf, StandIn } from './stand-in';

const SHAPES = path.join(root, 'models', 'demo', 'samples', 'shapes.png');
const DONE = '.figure[data-phase=done]';
const BOTH_DONE = `${DONE} ~ ${DONE}`;

const textOf = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();

/** Waits for a condition in the page; its policy forbids what the driver would do for that by itself. */
async function until(page: Page, condition: string): Promise<void> {
  const end = Date.now() + 15_000;
  while (!(await page.evaluate(`Boolean(${condition})`))) {
    if (Date.now() > end) throw new Error(`Expected ${condition}`);
    await page.waitForTimeout(20);
  }
}

async function ask(page: Page, letter: 'a' | 'b', question: string): Promise<void> {
  await page.fill(`#question-${letter}`, question);
  await page.press(`#question-${letter}`, 'Enter');
}

/** Hands the page a file as a drop or a paste does. */
async function giveFile(page: Page, how: 'drop' | 'paste', name: string, type: string, bytes: Buffer): Promise<void> {
  const script = `(([how, name, type, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type }));
    const init = { bubbles: true, cancelable: true };
    document.body.dispatchEvent(
      how === 'drop' ? new DragEvent('drop', { ...init, dataTransfer: data }) : new ClipboardEvent('paste', { ...init, clipboardData: data }),
    );
  })(${JSON.stringify([how, name, type, bytes.toString('base64')])})`;
  await page.evaluate(script);
}

describe('the page in a browser', function () {
  this.timeout(60_000);
  const visitor = withChromium();
  let server: StandIn;
  let url: string;
  beforeEach(async () => {
    server = new StandIn();
    url = await server.listen();
  });
  afterEach(() => server.close());

  const open = (options?: Parameters<typeof visitor.visit>[1]): Promise<Visit> => visitor.visit(url, options);

  it('can be used with the keyboard alone, from the picture to a single patch', async () => {
    const { page, expectClean } = await open();
    const focused = (): Promise<string> =>
      page.evaluate<string>('document.activeElement.id || document.activeElement.className');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.type('what is it?');
    expect(await focused()).to.equal('question-a');
    await page.keyboard.press('Enter');
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.answer')).to.equal('forty-two');
    expect(await textOf(page, '.comparison')).to.match(/Plain ViT.*\s+forty$/);
    await until(page, "document.querySelector('#status').textContent.startsWith('Answer to question A: forty-two')");

    const visited = [];
    for (let i = 0; i < 20 && (await focused()) !== 'frame mapped'; i += 1) {
      await page.keyboard.press('Tab');
      visited.push(await focused());
    }
    expect(visited).to.include.members(['compare', 'layer', 'frame mapped']);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowUp');
    // The mean over layers 2, 3 and 4 of the patch in row 4, column 5.
    const share = (shareOf(3, 3 * 8 + 4) * 100).toFixed(1);
    expect(await textOf(page, '.readout')).to.equal(`Row 4, column 5: ${share} % of its attention`);
    await until(page, "document.querySelector('#status').textContent.startsWith('Row 4, column 5')");
    expectClean();
  });

  it('goes through the layers with their gates, and the views that there is something for', async () => {
    const { page, expectClean } = await open();
    expect(await page.locator('#views input:disabled').count()).to.equal(3);
    await page.locator('#views input[value=plain]').check();
    await page.waitForSelector('.mapped');
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    // Chosen before, so it stays.
    expect(await page.locator('#views input[value=plain]').isChecked()).to.equal(true);
    await page.locator('#layer').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    expect(await textOf(page, '#layer-output')).to.equal('Layer 3, gate −0.95');
    expect(await page.getAttribute('#layer', 'aria-valuetext')).to.equal('Layer 3, gate −0.95');
    expect(await page.locator('#views input[value=attention]').isChecked()).to.equal(true);
    const ends = [shareOf(3, 0), shareOf(3, 63)].map((share) => `${(share * 100).toFixed(1)} %`);
    expect(await page.locator('.figure:first-child .legend p span').allInnerTexts()).to.deep.equal([
      ends[0],
      'of its attention',
      ends[1],
    ]);
    await page.locator('#views input[value=change]').check();
    expect(await page.locator('.figure:first-child .legend p span').allInnerTexts()).to.deep.equal([
      '0 %',
      'feature changed by',
      '98 %',
    ]);
    expectClean();
  });

  it('draws the map in the colours of the command line, over the picture in grey', async () => {
    const { page } = await open();
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector('.mapped');
    const [first, last] = await page.evaluate<[number[], number[]]>(`(() => {
      const map = document.querySelector('canvas.map');
      const at = (x, y) => [...map.getContext('2d').getImageData(x, y, 1, 1).data];
      return [at(2, 2), at(map.width - 3, map.height - 3)];
    })()`);
    const picture = await page.evaluate<number[]>(`(() => {
      const canvas = document.querySelector('canvas.picture');
      return [...canvas.getContext('2d').getImageData(2, 2, 1, 1).data];
    })()`);
    const [red = 0, green = 0, blue = 0] = picture;
    const grey = 0.7 * (0.299 * red + 0.587 * green + 0.114 * blue) * 0.34;
    // The ends of Viridis, where values are lowest and highest.
    [0x44, 0x01, 0x54].forEach((channel, i) => expect(first[i]).to.be.closeTo(channel * 0.66 + grey, 4));
    expect(last[0]).to.be.above(last[2]! + 80);
  });

  it('puts two questions side by side, and takes the second away again', async () => {
    const { page, expectClean } = await open();
    await ask(page, 'a', 'what is it?');
    await page.click('#compare');
    await ask(page, 'b', 'how many squares are there?');
    await page.waitForSelector(BOTH_DONE);
    const boxes = await Promise.all([0, 1].map((i) => page.locator('.frame').nth(i).boundingBox()));
    expect(boxes[0]!.y).to.equal(boxes[1]!.y);
    expect(boxes[1]!.x).to.be.above(boxes[0]!.x + boxes[0]!.width);
    await page.locator('.frame').first().hover();
    const readouts = await page.locator('.readout').allInnerTexts();
    expect(readouts[0])
      .to.match(/^Row \d, column \d: /)
      .and.to.equal(readouts[1]);
    await page.locator('#views input[value=between]').check();
    await until(page, "document.querySelector('.meaning').textContent === 'features differ by'");
    const asked = server.requests.filter(({ path }) => path === '/v1/visual-tokens').map(({ body }) => body.question);
    expect(asked).to.have.members([null, 'what is it?', 'how many squares are there?']);

    await page.click('.remove:visible');
    expect(await page.locator('.figure').count()).to.equal(1);
    expect(await page.locator('#views input[value=between]').isDisabled()).to.equal(true);
    expect(await page.evaluate('document.activeElement.id')).to.equal('compare');
    expectClean();
  });

  it('stops an answer that is being written, and the server with it', async () => {
    let release = (): void => undefined;
    server.held = new Promise((resolve) => (release = resolve));
    const { page, expectClean } = await open();
    await ask(page, 'a', 'what is it?');
    await until(page, "document.querySelector('.answer').textContent === 'forty'");
    expect(await textOf(page, '.question [type=submit]')).to.equal('Stop');
    await page.click('.question [type=submit]');
    await page.waitForSelector('[data-phase=stopped]');
    expect(await textOf(page, '.answer')).to.equal('forty');
    expect(await textOf(page, '.question [type=submit]')).to.equal('Ask');
    for (let i = 0; i < 100 && server.abandoned === 0; i += 1) await page.waitForTimeout(20);
    expect(server.abandoned).to.equal(1);
    release();
    await ask(page, 'a', 'and now?');
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.answer')).to.equal('forty-two');
    expectClean();
  });

  it('asks for a key when the server does, keeps it in the tab, and says so when it is declined', async () => {
    server.key = 'right';
    const { page } = await visitor.visit(`${url}/`, {}, '#key-dialog[open]');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await until(page, "document.querySelector('.key-note').textContent !== ''");
    await page.keyboard.type('right');
    await page.keyboard.press('Enter');
    await page.waitForSelector('html[data-ready]');
    expect(await page.evaluate('[{ ...sessionStorage }, { ...localStorage }]')).to.deep.equal([
      { 'qavit.key': 'right' },
      {},
    ]);
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    server.key = 'another';
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector('#key-dialog[open]');
    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-phase=failed]');
    expect(await textOf(page, '.figure .problem')).to.match(/^The server asks for an API key\./);
  });

  it('says in plain words what went wrong', async () => {
    const { page } = await open();
    const cases: [string, { status: number; message: string; headers?: Record<string, string> }, RegExp][] = [
      [
        '/v1/chat/completions',
        { status: 429, message: 'busy', headers: { 'retry-after': '7' } },
        /more to do.*7 seconds/,
      ],
      ['/v1/chat/completions', { status: 413, message: 'Expected at most 9 bytes' }, /too large[^]*at most 9 bytes/],
      ['/v1/attend', { status: 500, message: 'a fault' }, /went wrong in the server[^]*a fault/],
    ];
    for (const [path, refusal, words] of cases) {
      server.refusals = { [path]: refusal };
      await ask(page, 'a', 'what is it?');
      await page.waitForSelector('[data-phase=failed]');
      expect(await textOf(page, '.figure .problem')).to.match(words);
      server.refusals = {};
      await ask(page, 'a', 'what is it?');
      await page.waitForSelector(DONE);
      expect(await page.locator('.figure .problem').textContent()).to.equal('');
    }
    server.refusals = { '/v1/visual-tokens': { status: 503, message: 'draining' } };
    await page.locator('#views input[value=plain]').check();
    await until(page, "document.querySelector('#stage-problem').textContent.includes('not ready')");
    await server.close();
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector('[data-phase=failed]');
    expect(await textOf(page, '.figure .problem')).to.equal('The server cannot be reached.');
  });

  it('takes pictures from a drop, a paste and the file dialog, and says what is none', async () => {
    const { page, expectClean } = await open();
    const bytes = readFileSync(SHAPES);
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    await giveFile(page, 'drop', 'dropped.png', 'image/png', bytes);
    await until(page, "document.querySelector('#own-name').textContent === 'dropped.png'");
    expect(await textOf(page, '.answer'), 'what was said of another picture is gone').to.equal('');
    await giveFile(page, 'paste', 'pasted.png', 'image/png', bytes);
    await until(page, "document.querySelector('#own-name').textContent === 'pasted.png'");
    await page.setInputFiles('#file', SHAPES);
    await until(page, "document.querySelector('#own-name').textContent === 'shapes.png'");
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    const sent = JSON.stringify(server.requests.at(-1)?.body);
    expect(sent).to.include(`data:image/png;base64,${bytes.toString('base64')}`);

    await giveFile(page, 'drop', 'notes.txt', 'text/plain', Buffer.from('words'));
    await until(page, "document.querySelector('#picture-problem').textContent.includes('notes.txt')");
    await giveFile(page, 'drop', 'broken.png', 'image/png', bytes.subarray(0, 40));
    await until(page, "document.querySelector('#picture-problem').textContent.includes('damaged')");
    expectClean();
  });

  it('says what a model without a language model cannot do, and shows the plain ViT', async () => {
    server.facts = { ...server.facts, canAnswer: false, fusedLayers: [], gates: [] };
    const { page, expectClean } = await open();
    expect(await textOf(page, '#model-problem')).to.match(/no language model/);
    expect(await page.locator('#question-a').isDisabled()).to.equal(true);
    expect(await page.locator('#layers').isVisible()).to.equal(false);
    await page.locator('#views input[value=plain]').check();
    await page.waitForSelector('.mapped');
    expectClean();
  });

  it('never takes words of a model or a file name for markup', async () => {
    server.answer = ['<img src=x onerror=alert(1)>', '<b>bold</b>'];
    const { page, expectClean } = await open();
    await ask(page, 'a', '<i>what</i>?');
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.answer')).to.equal('<img src=x onerror=alert(1)><b>bold</b>');
    expect(await page.locator('.figure :is(b, i, img)').count()).to.equal(0);
    expectClean();
  });

  for (const [name, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    phone: { viewport: { width: 360, height: 740 } },
  } as const)) {
    it(`has names, contrast and room for everything (${name})`, async () => {
      server.refusals = {};
      const { page, expectClean } = await open(options);
      expect(await audit(page)).to.deep.equal([]);
      await ask(page, 'a', 'what is it?');
      await page.click('#compare');
      await ask(page, 'b', 'how many squares are there?');
      await page.waitForSelector(BOTH_DONE);
      expect(await audit(page)).to.deep.equal([]);
      server.refusals = { '/v1/chat/completions': { status: 500, message: `a fault ${'far too long '.repeat(20)}` } };
      await ask(page, 'a', 'what is it?');
      await page.waitForSelector('[data-phase=failed]');
      expect(await audit(page)).to.deep.equal([]);
      expectClean(/status of 500/);
    });
  }

  it('follows the system between light and dark until told otherwise, and moves nothing where that is unwanted', async () => {
    const { page, expectClean } = await open({ colorScheme: 'dark', reducedMotion: 'reduce' });
    const ground = (): Promise<string> =>
      page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
    const dark = await ground();
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    expect(light).not.to.equal(dark);
    await page.click('#appearance');
    expect(await ground()).to.equal(dark);
    await page.reload();
    expect(await ground()).to.equal(dark);
    await page.waitForSelector('html[data-ready]');
    server.held = new Promise(() => undefined);
    await ask(page, 'a', 'what is it?');
    await until(page, "document.querySelector('.answer').textContent === 'forty'");
    expect(await page.evaluate('document.getAnimations().length')).to.equal(0);
    expectClean();
  });
});
