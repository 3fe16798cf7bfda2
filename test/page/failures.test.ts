import { expect } from 'chai';
import { audit } from './audit';
import { ask, DONE, isHearing, spoken, textOf, until, withStandIn } from './on-page';
import type { Refusal } from './stand-in';

describe('the page: failures', function () {
  this.timeout(120_000);
  const here = withStandIn();

  it('asks for a key when the server does, keeps it in the tab, and says so when it is declined', async () => {
    here.server.key = 'right';
    const { page } = await here.open({}, '#key-dialog[open]');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await until(page, "document.querySelector('.key-note').textContent !== ''");
    expect(await page.evaluate('sessionStorage.length'), 'a key that lets nobody in').to.equal(0);
    await page.keyboard.type('right');
    await page.keyboard.press('Enter');
    await page.waitForSelector('html[data-ready]');
    expect(await page.evaluate('[{ ...sessionStorage }, { ...localStorage }]')).to.deep.equal([
      { 'qavit.key': 'right' },
      {},
    ]);
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    here.server.key = 'another';
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector('#key-dialog[open]');
    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-phase=failed]');
    expect(await textOf(page, '.figure .problem')).to.match(/^The server asks for an API key\./);
  });

  it('asks for a key once for requests that were under way together, however late one of them is refused', async () => {
    here.server.key = 'right';
    const { page } = await here.open({}, '#key-dialog[open]');
    const enter = async (key: string): Promise<void> => {
      await page.keyboard.type(key);
      await page.keyboard.press('Enter');
    };
    await enter('right');
    await page.waitForSelector('html[data-ready]');
    await page.click('#compare');
    for (const [key, phase] of [
      ['another', 'done'],
      [undefined, 'failed'],
    ] as const) {
      here.server.key = key ?? 'nobody knows it';
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const answers = '**/v1/chat/completions';
      await page.route(answers, async (route) => {
        if (route.request().postData()?.includes('a late one?')) await released;
        await route.continue();
      });
      await ask(page, 'b', 'a late one?');
      await ask(page, 'a', 'what is it?');
      await page.waitForSelector('#key-dialog[open]');
      if (key === undefined) await page.keyboard.press('Escape');
      else await enter(key);
      const ended = `[data-phase=${phase}]`;
      await page.waitForSelector(`.figure${ended}`);
      release();
      await page.waitForSelector(`.figure${ended} ~ .figure${ended}, #key-dialog[open]`);
      expect(await page.locator('#key-dialog[open]').count(), `asked again, ${key}`).to.equal(0);
      await page.unroute(answers);
    }
  });

  it('keeps no key that was never looked at', async () => {
    here.server.key = 'right';
    const { page } = await here.open({}, '#key-dialog[open]');
    here.server.key = undefined;
    here.server.refusals = { '/v1/models': { status: 429, message: 'too many' } };
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#model-problem button');
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
  });

  it('takes no key that cannot be sent, and forgets one that was kept', async () => {
    here.server.key = 'right';
    const { page } = await here.open({}, '#key-dialog[open]');
    for (const key of ['schlüssel', 'two words', 'right\u200b']) {
      await page.fill('#key', key);
      await page.keyboard.press('Enter');
      expect(await textOf(page, '.key-note'), key).to.match(/^This cannot be a key/);
    }
    await page.evaluate("sessionStorage.setItem('qavit.key', 'schlüssel')");
    await page.reload();
    await page.waitForSelector('#key-dialog[open]');
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
    expect(await textOf(page, '.key-note')).to.equal('');
    await page.keyboard.type(' right ');
    await page.keyboard.press('Enter');
    await page.waitForSelector('html[data-ready]');
  });

  it('says in plain words what went wrong', async () => {
    const { page } = await here.open();
    const cases: [string, Refusal, RegExp][] = [
      [
        '/v1/chat/completions',
        { status: 429, message: 'busy', headers: { 'retry-after': '7' } },
        /more to do.*7 seconds/,
      ],
      ['/v1/chat/completions', { status: 413, message: 'Expected at most 9 bytes' }, /too large[^]*at most 9 bytes/],
      ['/v1/chat/completions', { status: 500, message: 'a fault' }, /went wrong in the server[^]*a fault/],
    ];
    for (const [path, refusal, words] of cases) {
      here.server.refusals = { [path]: refusal };
      await ask(page, 'a', `what is it, ${refusal.status}?`);
      await page.waitForSelector('[data-phase=failed]');
      expect(await textOf(page, '.figure .problem')).to.match(words);
      here.server.refusals = {};
      await ask(page, 'a', `what is it, ${refusal.status}?`);
      await page.waitForSelector(DONE);
      expect(await page.locator('.figure .problem').textContent()).to.equal('');
    }
    here.server.refusals = { '/v1/visual-tokens': { status: 503, message: 'draining' } };
    await page.locator('#views input[value=plain]').check();
    await until(page, "document.querySelector('#stage-problem').textContent.includes('not ready')");
    here.server.refusals = {};
    await page.locator('#views input[value=picture]').check();
    await page.locator('#views input[value=plain]').check();
    await page.waitForSelector('.mapped');
    expect(await textOf(page, '#stage-problem')).to.equal('');
    await here.server.close();
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector('[data-phase=failed]');
    expect(await textOf(page, '.figure .problem')).to.equal('The server cannot be reached.');
  });

  it('takes a heat map or a comparison that fails for no failure of the answer', async () => {
    const { page } = await here.open();
    here.server.refusals = { '/v1/attend': { status: 500, message: 'a fault' } };
    await page.route('**/v1/chat/completions', async (route) => {
      if (isHearing(route)) return route.continue();
      await route.fulfill({ status: 429, headers: { 'retry-after': '7' }, json: { error: { message: 'busy' } } });
    });
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.answer')).to.equal('forty-two');
    expect(await page.locator('.figure .problem').textContent()).to.equal('');
    const lacks = [
      'No heat map. Something went wrong in the server.',
      'The comparison with the plain ViT failed. The server has more to do than it can take. Try again in 7 seconds.',
    ];
    expect(await page.locator('.lacks p:not(.detail)').allInnerTexts()).to.deep.equal(lacks);
    expect(await page.locator('.lacks .detail').allInnerTexts()).to.deep.equal(['a fault', 'busy']);
    expect((await spoken(page)).slice(-4)).to.have.members([
      'Question A asked',
      'Answer to question A: forty-two.',
      ...lacks.map((words) => `Question A: ${words}`),
    ]);
    expect(await audit(page)).to.deep.equal([]);
    here.server.refusals = {};
    await page.unroute('**/v1/chat/completions');
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector('.mapped');
    await page.waitForSelector(DONE);
    expect(await page.locator('.lacks').textContent()).to.equal('');
  });

  it('keeps what was written of an answer that fails half-way', async () => {
    const { page, expectClean } = await here.open();
    for (const [breaks, words] of [
      ['with an event', /the model failed/],
      ['off', /broke off/],
    ] as const) {
      here.server.breaks = breaks;
      await ask(page, 'a', 'what is it?');
      await page.waitForSelector('[data-phase=failed]');
      expect(await textOf(page, '.answer')).to.equal('forty');
      expect(await textOf(page, '.figure .problem')).to.match(words);
      here.server.breaks = undefined;
      await ask(page, 'a', 'what is it?');
      await page.waitForSelector(DONE);
    }
    expectClean();
  });

  it('can be tried again where the server is not ready yet', async () => {
    here.server.refusals = { '/v1/models': { status: 503, message: 'loading' } };
    const { page } = await here.open();
    expect(await textOf(page, '#model-problem')).to.match(/not ready for questions/);
    here.server.refusals = {};
    await page.click('#model-problem button');
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    expect(await page.locator('#model-problem').textContent()).to.equal('');
  });

  it('shows the picture and says what it waits for where the server takes its time', async () => {
    let go = (): void => undefined;
    here.server.loading = new Promise<void>((resolve) => (go = resolve));
    const { page, expectClean } = await here.open({}, '#waiting:not(:empty)');
    expect(await textOf(page, '#waiting')).to.equal('Waiting for the server…');
    await page.waitForSelector('.frame:not(.blank)');
    expect(await page.locator('#views input:enabled').count(), 'the picture is all there is').to.equal(1);
    await page.click('#compare');
    expect(await page.locator('.frame:not(.blank)').count()).to.equal(2);
    expect(await audit(page)).to.deep.equal([]);
    go();
    await page.waitForSelector('html[data-ready]');
    expect(await page.locator('#waiting').textContent()).to.equal('');
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    expectClean();
  });

  it('says what a model without a language model cannot do, and shows the plain ViT', async () => {
    here.server.facts = { ...here.server.facts, canAnswer: false, readsQuestions: false, fusedLayers: [], gates: [] };
    const { page, expectClean } = await here.open();
    expect(await textOf(page, '#model-problem')).to.match(/no language model/);
    expect(await page.locator('#question-a').isDisabled()).to.equal(true);
    expect(await page.locator('#layers').isVisible()).to.equal(false);
    await page.locator('#views input[value=plain]').check();
    await page.waitForSelector('.mapped');
    expectClean();
  });

  it('shows what a question changes in a model that cannot answer it', async () => {
    here.server.facts = { ...here.server.facts, canAnswer: false };
    const { page, expectClean } = await here.open();
    expect(await textOf(page, '#model-problem')).to.match(/what a question changes, but not answer it/);
    await ask(page, 'a', 'what is it?');
    await page.waitForSelector(DONE);
    expect(await page.locator('.figure .mapped').count()).to.equal(1);
    expect(await textOf(page, '.answer')).to.equal('');
    expect(here.server.requests.map(({ path }) => path)).to.not.include('/v1/chat/completions');
    await page.route('**/v1/attend', () => undefined);
    await ask(page, 'a', 'and this?');
    await page.press('#question-a', 'Escape');
    await page.waitForSelector('.figure[data-phase=stopped]');
    expectClean();
  });

  it('never takes words of a model or a file name for markup', async () => {
    here.server.answer = ['<img src=x onerror=alert(1)>', '<b>bold</b>'];
    const { page, expectClean } = await here.open();
    await ask(page, 'a', '<i>what</i>?');
    await page.waitForSelector(DONE);
    expect(await textOf(page, '.answer')).to.equal('<img src=x onerror=alert(1)><b>bold</b>');
    expect(await page.locator('.figure :is(b, i, img)').count()).to.equal(0);
    expectClean();
  });
});
