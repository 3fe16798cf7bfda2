import { expect } from 'chai';
import type { Locator } from 'playwright-core';
import sharp from 'sharp';
import { audit } from './audit';
import { ask, BOTH_DONE, DONE, SHAPES, spoken, until, withStandIn } from './on-page';

describe('the page: access', function () {
  this.timeout(120_000);
  const here = withStandIn();

  for (const [name, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    narrow: { viewport: { width: 1000, height: 800 } },
    phone: { viewport: { width: 360, height: 740 } },
  } as const)) {
    it(`has names, contrast and room for everything (${name})`, async () => {
      const { page, expectClean } = await here.open(options);
      expect(await audit(page)).to.deep.equal([]);
      await ask(page, 'a', 'what is it?');
      await page.waitForSelector(DONE);
      expect(await audit(page)).to.deep.equal([]);
      await page.click('#compare');
      await ask(page, 'b', 'how many squares are there?');
      await page.waitForSelector(BOTH_DONE);
      expect(await audit(page)).to.deep.equal([]);
      here.server.refusals = {
        '/v1/chat/completions': { status: 500, message: `a fault ${'far too long '.repeat(20)}` },
      };
      await ask(page, 'a', 'what is it?');
      await page.waitForSelector('[data-phase=failed]');
      expect(await audit(page)).to.deep.equal([]);
      expectClean(/status of 500/);
    });
  }

  it('has room for 24 fused layers and long words on a phone', async () => {
    const layers = Array.from({ length: 24 }, (_, layer) => layer);
    const gates = layers.map((layer) => Math.sin(layer));
    here.server.facts = { ...here.server.facts, layers: 24, fusedLayers: layers, gates };
    const word = 'anunusuallylongwordinit'.repeat(5);
    here.server.answer = [word, ' and a sentence that goes on and on'];
    const { page, expectClean } = await here.open({ viewport: { width: 360, height: 740 } });
    await ask(page, 'a', `what is ${word}?`);
    await page.waitForSelector(DONE);
    expect(await audit(page)).to.deep.equal([]);
    await page.locator('#layer').focus();
    await page.keyboard.press('End');
    expect(await page.locator('#layer-output').innerText()).to.match(/^Layer 23, gate −0\.85$/);
    expectClean();
  });

  it('tells those who do not see it what is where', async () => {
    const { page, expectClean } = await here.open();
    const frame = page.locator('.frame');
    const question = (name: string): Locator => page.getByRole('article', { name, exact: true });
    expect(await spoken(page)).to.deep.equal(['Picture “shapes” opened']);
    expect(await frame.getAttribute('aria-label')).to.equal('Question A, picture “shapes”: The picture itself.');
    expect(await question('A No question yet').count()).to.equal(1);
    expect(await page.getByRole('heading', { name: 'Answer' }).count()).to.equal(0);
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    expect(await question('A what is it?').getByRole('heading', { name: 'Answer' }).count()).to.equal(1);
    const attention = /^Question A, picture “shapes”: Share of each patch’s attention .* Arrow keys move from patch/;
    expect(await frame.getAttribute('aria-label')).to.match(attention);
    await page.setInputFiles('#file', SHAPES);
    await until(page, "document.querySelector('#own-name').textContent === 'shapes.png'");
    expect((await spoken(page)).at(-1)).to.equal('Picture “shapes.png” opened');
    expectClean();
  });

  it('shows sliders, gates and what is chosen in colours that the system chooses', async () => {
    const { page, expectClean } = await here.open({ forcedColors: 'active' });
    /** How far apart the lightest and the darkest pixel of a place are, of 255. */
    const contrastIn = async (place: { x: number; y: number; width: number; height: number }): Promise<number> => {
      const { channels } = await sharp(await page.screenshot({ clip: place })).stats();
      return Math.max(...channels.slice(0, 3).map(({ min, max }) => max - min));
    };
    const boxOf = async (selector: string): Promise<{ x: number; y: number; width: number; height: number }> =>
      (await page.locator(selector).boundingBox())!;
    for (const id of ['#token-count', '#layer']) {
      const box = await boxOf(id);
      for (const half of [box, { ...box, x: box.x + box.width / 2 }]) {
        expect(await contrastIn({ ...half, width: box.width / 2 }), id).to.be.above(100);
      }
      await page.locator(id).focus();
      await page.keyboard.press('Home');
      const focused = await page.screenshot({ clip: box });
      await page.locator('h1').click();
      expect(focused.equals(await page.screenshot({ clip: box })), `${id} shows where the focus is`).to.equal(false);
    }
    const gates = await boxOf('#gates');
    expect(await contrastIn({ ...gates, width: 20 }), 'zero line').to.be.above(100);
    const outlines = await page.evaluate(
      `[...document.querySelectorAll('.sample img')].map((img) => getComputedStyle(img).outlineStyle)`,
    );
    expect(outlines).to.deep.equal(['solid', 'none', 'none', 'none']);
    expectClean();
  });

  it('follows the system between light and dark until told otherwise, and moves nothing where that is unwanted', async () => {
    const { page, expectClean } = await here.open({ colorScheme: 'dark', reducedMotion: 'reduce' });
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
    here.server.held = new Promise(() => undefined);
    await ask(page, 'a', 'what is it?');
    await until(page, "document.querySelector('.answer').textContent === 'forty'");
    expect(await page.evaluate('document.getAnimations().length')).to.equal(0);
    // Back to what the system has, and with it from now on.
    await page.click('#appearance');
    expect(await ground()).to.equal(light);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await ground()).to.equal(dark);
    expectClean();
  });
});
