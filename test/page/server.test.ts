import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { QAViT } from '../../lib';
import { createServer } from '../../lib/serve';
import { attentionToQuestion } from '../../lib/view/question-effect';
import { commonRange } from '../../lib/view/patch-grid';
import { withChromium } from './chromium';
import { ask, BOTH_DONE, SHAPES, textOf, until } from './on-page';

const QUESTIONS = ['what digit is on the red square?', 'how many triangles are there?'] as const;

describe('the page on the real server', function () {
  this.timeout(120_000);
  const visitor = withChromium();

  it('shows what the library says: answers, maps, gates and stages', async () => {
    await using model = await QAViT.load('demo', { device: 'cpu' });
    const answers = [];
    for (const question of QUESTIONS) {
      let answer = '';
      for await (const text of model.ask(readFileSync(SHAPES), question)) answer += text;
      answers.push(answer.trim());
    }
    const maps = await Promise.all(QUESTIONS.map((question) => model.attend(SHAPES, question)));
    const app = await createServer({ demo: model }, { apiKeys: ['a-key'] });
    await app.listen({ port: 0, host: '127.0.0.1' });
    try {
      const { port } = app.server.address() as AddressInfo;
      const { page, expectClean } = await visitor.visit(`http://127.0.0.1:${port}`, {}, '#key-dialog[open]');
      await page.keyboard.type('a-key');
      await page.keyboard.press('Enter');
      await page.waitForSelector('html[data-ready]');
      await ask(page, 'a', QUESTIONS[0]);
      await page.click('#compare');
      await ask(page, 'b', QUESTIONS[1]);
      await page.waitForSelector(BOTH_DONE);
      expect(await page.locator('.answer').allInnerTexts()).to.deep.equal(answers);
      const { low, high } = commonRange(maps.map(attentionToQuestion));
      const [least, , most] = await page.locator('.figure:first-child .legend p span').allInnerTexts();
      expect([least, most]).to.deep.equal([low, high].map((share) => `${Math.round(share * 100)} %`));
      expect(await textOf(page, '#model-facts')).to.match(/8 × 8 patches of 8 · question in layers 2–4 of 5/);
      expect(await page.locator('.stage-list').first().innerText())
        .to.include('Layers with the question')
        .and.include('First word');
      for (const view of ['plain', 'change', 'between']) {
        await page.locator(`#views input[value=${view}]`).check();
        await until(page, "document.querySelectorAll('.mapped').length === 2");
      }
      expect(await textOf(page, '#stage-problem')).to.equal('');
      // The first call of /v1 is what the server answered with 401.
      expectClean(/status of 401/);
    } finally {
      await app.close();
    }
  });
});
