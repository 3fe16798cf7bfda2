import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ask, BOTH_DONE, DONE, isHearing, SHAPES, spoken, textOf, until, withStandIn } from './on-page';
import { shareOf } from './stand-in';

describe('the page: questions', function () {
  this.timeout(120_000);
  const here = withStandIn();

  it('can be used with the keyboard alone, from the picture to a single patch', async () => {
    const { page, expectClean } = await here.open();
    const focused = (): Promise<string> =>
      page.evaluate<string>('(({ id, name, className }) => id || name || className)(document.activeElement)');
    const tabTo = async (place: string): Promise<void> => {
      for (let i = 0; (await focused()) !== place; i += 1) {
        expect(i, `${place} is not reached`).to.be.below(20);
        await page.keyboard.press('Tab');
      }
    };
    await tabTo('sample');
    await page.keyboard.press('ArrowRight');
    await tabTo('question-a');
    await page.keyboard.type('what is it?');
    await page.keyboard.press('Enter');
    await page.waitForSelector(DONE);
    expect(here.server.requests.at(-1)?.body).to.deep.include({ model: 'demo' });
    const second = readFileSync(path.join(path.dirname(SHAPES), 'letters.png')).toString('base64');
    expect(JSON.stringify(here.server.requests.at(-1)?.body)).to.include(second);
    expect(await textOf(page, '.answer')).to.equal('forty-two');
    expect(await textOf(page, '.comparison')).to.match(/Plain ViT.*\s+forty$/);
    expect((await spoken(page)).slice(-4)).to.have.members([
      'Picture “letters” opened',
      'Question A asked',
      'Answer to question A: forty-two.',
      'The heat map of question A is there',
    ]);

    for (const place of ['compare', 'view', 'layer', 'frame mapped']) await tabTo(place);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowUp');
    // The mean over layers 2, 3 and 4 of the patch in row 4, column 5.
    const share = (shareOf(3, 3 * 8 + 4) * 100).toFixed(1);
    expect(await textOf(page, '.readout')).to.equal(`Row 4, column 5: ${share} % of its attention`);
    expect((await spoken(page)).at(-1)).to.match(/^Row 4, column 5/);
    expectClean();
  });

  it('asks about the picture that was chosen last, though it is still opening', async () => {
    const { page, expectClean } = await here.open();
    let go = (): void => undefined;
    const released = new Promise<void>((resolve) => (go = resolve));
    await page.route('**/samples/letters.png', async (route) => {
      await released;
      await route.continue();
    });
    await page.locator('input[name=sample][value="letters.png"]').check({ force: true });
    await ask(page, 'a', 'what is it?');
    go();
    await page.waitForSelector(DONE);
    const chosen = readFileSync(path.join(path.dirname(SHAPES), 'letters.png')).toString('base64');
    expect(JSON.stringify(here.server.requests.at(-1)?.body)).to.include(chosen);
    expectClean();
  });

  it('leads past the masthead to the question', async () => {
    const { page } = await here.open();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).to.equal('question-a');
  });

  it('tells of pictures in their own shapes that they have up to so many patches and tokens', async () => {
    here.server.facts = { ...here.server.facts, maxPatches: 64 };
    const { page, expectClean } = await here.open();
    expect(await textOf(page, '#model-facts')).to.match(/^pictures in their own shapes, up to 64 patches of 8 · /);
    expect(await textOf(page, '#token-output')).to.equal('all, up to 65');
    expectClean();
  });

  it('outlines the tokens that are handed over, and asks again for another number of them', async () => {
    const { page, expectClean } = await here.open();
    const asked = (): unknown[] =>
      here.server.requests
        .filter((request) => request.path === '/v1/chat/completions')
        .map((request) => (request.body['qavit'] as { visual_tokens: unknown }).visual_tokens);
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    expect(await textOf(page, '#token-output')).to.equal('all 65');
    expect(await page.locator('.outline').isVisible()).to.equal(false);
    const slider = page.locator('#token-count');
    await slider.focus();
    await page.keyboard.press('Home');
    for (let i = 0; i < 2; i += 1) await page.keyboard.press('ArrowRight');
    await until(page, `document.querySelector('#token-output').textContent === '3 of 65'`);
    await until(page, `document.querySelector('${DONE} .answer')`);
    expect(await slider.getAttribute('aria-valuetext')).to.equal('3 of 65');
    const given = 'The language model is given 3 of 65 visual tokens: the 3 outlined patches.';
    expect(await textOf(page, '.kept')).to.equal(given);
    const path = await page.getAttribute('.outline .line', 'd');
    // Two patches side by side and one below the second.
    expect(path?.match(/M/g)).to.have.length(8);
    await page.keyboard.press('ArrowRight');
    await until(page, `document.querySelector('#token-output').textContent === '4 of 65'`);
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.kept')).to.match(
      /4 of 65 visual tokens: the 3 outlined patches and the class token\.$/,
    );
    expect(asked().slice(0, 2)).to.deep.equal(['all', 'all']);
    expect(asked().at(-1)).to.equal(4);
    // The maps hold whatever the language model is given.
    expect(here.server.requests.filter((request) => request.path === '/v1/attend')).to.have.length(1);
    await page.keyboard.press('End');
    await until(page, `document.querySelector('.outline').hasAttribute('hidden')`);
    await page.waitForSelector(DONE);
    expect(asked().at(-1)).to.equal('all');
    expectClean();
  });

  it('leads to the answer whoever asks on a phone, and leaves whoever moves the slider where they are', async () => {
    const { page, expectClean } = await here.open({ viewport: { width: 360, height: 740 } });
    const isInSight = (selector: string): Promise<boolean> =>
      page.evaluate(
        `(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.querySelector('${selector}').getBoundingClientRect())`,
      );
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    expect(await isInSight('.asked')).to.equal(true);
    await page.locator('#token-count').focus();
    const again = page.waitForRequest('**/v1/chat/completions');
    await page.keyboard.press('ArrowLeft');
    await again;
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.kept')).to.include('64 of 65');
    expect(await isInSight('#token-count')).to.equal(true);
    expectClean();
  });

  it('offers no number of tokens where the model does not choose any', async () => {
    here.server.facts = { ...here.server.facts, selectsTokens: false };
    const { page } = await here.open();
    expect(await page.locator('#tokens').isVisible()).to.equal(false);
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    const { body } = here.server.requests.find((request) => request.path === '/v1/chat/completions')!;
    expect(body['qavit']).to.deep.equal({ question_aware: true });
  });

  it('goes through the layers with their gates, and the views that there is something for', async () => {
    const { page, expectClean } = await here.open();
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
    await ask(page, 'a', 'and another?');
    await until(page, "document.querySelector('.asked-text').textContent === 'and another?'");
    await page.waitForSelector(DONE);
    expect(await page.locator('#views input[value=change]').isChecked()).to.equal(true);
    expect(await page.locator('.figure:first-child .legend p span').allInnerTexts()).to.deep.equal([
      '0 %',
      'feature changed by',
      '98 %',
    ]);
    expectClean();
  });

  it('draws the map in the colours of the command line, over the picture in grey', async () => {
    const { page } = await here.open();
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
    const { page, expectClean } = await here.open();
    await ask(page, 'a', 'what is it?');
    await page.click('#compare');
    // More to say above the second picture than above the first.
    here.server.answer = ['a long', ' answer'.repeat(40)];
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
    await page.mouse.move(0, 0);
    expect(await page.locator('.readout').allInnerTexts()).to.deep.equal(['', '']);
    await page.locator('#views input[value=between]').check();
    await until(page, "document.querySelector('.meaning').textContent === 'features differ by'");
    const asked = here.server.requests
      .filter(({ path }) => path === '/v1/visual-tokens')
      .map(({ body }) => body.question);
    expect(asked).to.have.members([null, 'what is it?', 'how many squares are there?']);

    await page.click('.remove:visible');
    expect(await page.locator('.figure').count()).to.equal(1);
    expect(await page.locator('#views input[value=between]').isDisabled()).to.equal(true);
    expect(await page.evaluate('document.activeElement.id')).to.equal('compare');
    expectClean();
  });

  it('keeps the patch that was tapped until the next tap', async () => {
    const { page, expectClean } = await here.open({ viewport: { width: 360, height: 740 }, hasTouch: true });
    await ask(page, 'a', 'what is it?');
    await page.click('#compare');
    await ask(page, 'b', 'how many squares are there?');
    await page.waitForSelector(BOTH_DONE);
    const readouts = (): Promise<string[]> => page.locator('.readout').allInnerTexts();
    const tap = async (figure: number, row: number, column: number): Promise<void> => {
      const frame = page.locator('.frame').nth(figure);
      const { width, height } = (await frame.boundingBox())!;
      await frame.tap({ position: { x: ((column - 0.5) / 8) * width, y: ((row - 0.5) / 8) * height } });
    };
    for (const [figure, row, column] of [
      [0, 2, 3],
      [0, 5, 8],
      [1, 1, 4],
    ] as const) {
      await tap(figure, row, column);
      for (const readout of await readouts()) expect(readout).to.match(new RegExp(`^Row ${row}, column ${column}: `));
      expect(await page.locator('.patch').nth(figure).isVisible()).to.equal(true);
    }
    await page.locator('#view-caption').tap();
    expect(await readouts()).to.deep.equal(['', '']);
    expectClean();
  });

  it('says the answer as soon as it has ended, however long the comparison takes', async () => {
    const { page, expectClean } = await here.open();
    let go = (): void => undefined;
    const released = new Promise<void>((resolve) => (go = resolve));
    await page.route('**/v1/chat/completions', async (route) => {
      if (!isHearing(route)) await released;
      await route.continue();
    });
    await ask(page, 'a', 'what is it?');
    await until(page, "document.querySelector('#spoken').textContent.includes('Answer to question A: forty-two.')");
    expect(await page.locator('.figure').getAttribute('data-phase')).to.equal('asking');
    expect(await textOf(page, '.question [type=submit]')).to.equal('Stop');
    go();
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.comparison')).to.match(/forty$/);
    expectClean();
  });

  it('stops an answer that is being written, and the server with it', async () => {
    let release = (): void => undefined;
    here.server.held = new Promise((resolve) => (release = resolve));
    const { page, expectClean } = await here.open();
    await ask(page, 'a', 'what is it?');
    await until(page, "document.querySelector('.answer').textContent === 'forty'");
    expect(await textOf(page, '.question [type=submit]')).to.equal('Stop');
    await page.click('.question [type=submit]');
    await page.waitForSelector('[data-phase=stopped]');
    expect(await textOf(page, '.answer')).to.equal('forty');
    expect(await textOf(page, '.question [type=submit]')).to.equal('Ask');
    for (let i = 0; i < 100 && here.server.abandoned === 0; i += 1) await page.waitForTimeout(20);
    expect(here.server.abandoned).to.equal(1);
    await ask(page, 'a', 'and now?');
    await until(page, "document.querySelector('.answer').textContent === 'forty'");
    await page.fill('#question-a', 'or rather this?');
    expect(await textOf(page, '.question [type=submit]')).to.equal('Ask');
    release();
    here.server.held = Promise.resolve();
    await page.press('#question-a', 'Enter');
    await until(page, "document.querySelector('.asked-text').textContent === 'or rather this?'");
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.answer')).to.equal('forty-two');
    expectClean();
  });
});
