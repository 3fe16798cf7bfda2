import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { ask, DONE, SHAPES, textOf, until, withStandIn } from './on-page';

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

describe('the page: pictures', function () {
  this.timeout(120_000);
  const here = withStandIn();

  it('takes pictures from a drop, a paste and the file dialog, and says what is none', async () => {
    const { page, expectClean } = await here.open();
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
    const sent = JSON.stringify(here.server.requests.at(-1)?.body);
    expect(sent).to.include(`data:image/png;base64,${bytes.toString('base64')}`);

    await giveFile(page, 'drop', 'notes.txt', 'text/plain', Buffer.from('words'));
    await until(page, "document.querySelector('#picture-problem').textContent.includes('notes.txt')");
    await giveFile(page, 'drop', 'broken.png', 'image/png', bytes.subarray(0, 40));
    await until(page, "document.querySelector('#picture-problem').textContent.includes('damaged')");
    expectClean();
  });

  it('keeps the picture that was chosen last where an earlier one opens later', async () => {
    const { page, expectClean } = await here.open();
    let release: (() => void) | undefined;
    await page.route('**/samples/letters.png', async (route) => {
      await new Promise<void>((resolve) => (release = resolve));
      await route.continue();
    });
    const choose = (sample: string) => page.locator(`input[value="${sample}"]`).check({ force: true });
    await choose('letters.png');
    await choose('digits.png');
    await until(page, "document.querySelector('.frame').getAttribute('aria-label').includes('“digits”')");
    const answered = page.waitForResponse('**/samples/letters.png');
    release?.();
    await (await answered).finished();
    // As long as a third one takes, the first has had to come.
    await page.setInputFiles('#file', SHAPES);
    await until(page, "document.querySelector('#own-name').textContent === 'shapes.png'");
    const opened = (await page.locator('#spoken p').allTextContents()).filter((words) => words.includes('opened'));
    expect(opened).to.deep.equal(['shapes', 'digits', 'shapes.png'].map((name) => `Picture “${name}” opened`));
    expectClean();
  });

  it('says at once that a picture is larger than the server takes, and keeps the one that is there', async () => {
    const { page, expectClean } = await here.open();
    await page.setInputFiles('#file', SHAPES);
    const large = sharp({ create: { width: 1500, height: 1200, channels: 3, background: '#888' } });
    await giveFile(page, 'drop', 'large.png', 'image/png', await large.png().toBuffer());
    const told = 'document.querySelector("#picture-problem").textContent';
    await until(page, `${told} === '“large.png” has 1.8 megapixels; this server takes 1.5.'`);
    const noise = sharp(randomBytes(700 * 700 * 3), { raw: { width: 700, height: 700, channels: 3 } });
    await giveFile(page, 'drop', 'noise.png', 'image/png', await noise.png().toBuffer());
    await until(page, `${told} === '“noise.png” has 1.5 MB; this server takes 1.'`);
    expect(await textOf(page, '#own-name')).to.equal('shapes.png');
    expectClean();
  });

  it('leaves text to be pasted as text, though a picture of it comes along', async () => {
    const { page, expectClean } = await here.open();
    const asText = await page.evaluate<boolean[]>(`['#question-a', '#file', 'body'].map((target) => {
      const data = new DataTransfer();
      data.items.add('what is it?', 'text/plain');
      data.items.add(new File(['...'], 'cells.png', { type: 'image/png' }));
      return document.querySelector(target).dispatchEvent(
        new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: data }),
      );
    })`);
    expect(asText).to.deep.equal([true, false, false]);
    expectClean();
  });

  it('marks the picture that is there, whatever else was chosen and cannot be opened', async () => {
    const { page } = await here.open();
    // Not check(): what cannot be opened may be unmarked again before it would look.
    const choose = (name: string): Promise<void> =>
      page.locator(`input[name=sample][value="${name}"]`).click({ force: true });
    const chosen = (): Promise<string> => page.locator('input[name=sample]:checked').inputValue();
    let fail = (): void => undefined;
    const failing = new Promise<void>((resolve) => (fail = resolve));
    await page.route('**/samples/letters.png', async (route) => {
      await failing;
      await route.fulfill({ status: 404 });
    });
    await choose('letters.png');
    await choose('digits.png');
    const failed = page.waitForResponse('**/samples/letters.png');
    fail();
    await failed;
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    expect(await page.locator('#picture-problem').textContent(), 'nobody waits for that one').to.equal('');
    await choose('letters.png');
    await until(page, "document.querySelector('#picture-problem').textContent.includes('“letters”')");
    expect(await chosen()).to.equal('digits.png');
    expect(await textOf(page, '.answer'), 'the picture is still there').to.equal('forty-two');
    await giveFile(page, 'drop', 'own.png', 'image/png', readFileSync(SHAPES));
    await until(page, "document.querySelector('#own-name').textContent === 'own.png'");
    expect(await page.locator('input[name=sample]:checked').count()).to.equal(0);
    await choose('letters.png');
    await until(page, "document.querySelector('#picture-problem').textContent.includes('“letters”')");
    expect(await page.locator('input[name=sample]:checked').count()).to.equal(0);
  });

  it('keeps the proportions of any picture, and shows which part of it the encoder sees', async () => {
    const { page, expectClean } = await here.open();
    for (const [width, height] of [
      [900, 300],
      [100, 800],
    ] as const) {
      const picture = await sharp({ create: { width, height, channels: 3, background: '#fff' } })
        .png()
        .toBuffer();
      await giveFile(page, 'drop', `${width}.png`, 'image/png', picture);
      await until(page, `document.querySelector('#own-name').textContent === '${width}.png'`);
      await page.locator('#views input[value=plain]').check();
      await page.waitForSelector('.mapped');
      const box = (await page.locator('.frame').boundingBox())!;
      expect(box.width / box.height).to.be.closeTo(width / height, 0.01);
      expect(box.height).to.be.below(600);
      // In the middle a heat map, at both ends the picture alone, in dark grey.
      const colours = await page.evaluate<number[][]>(`[0.02, 0.5, 0.98].map((share) => {
        const map = document.querySelector('canvas.map');
        const [x, y] = [map.width * (${width} > ${height} ? share : 0.5), map.height * (${width} > ${height} ? 0.5 : share)];
        return [...map.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3);
      })`);
      const isGrey = colours.map(([red, green, blue]) => red === green && green === blue);
      expect(isGrey).to.deep.equal([true, false, true]);
    }
    expectClean(/willReadFrequently/);
  });
});
