import { expect } from 'chai';
import { readServer } from '../../../lib/llm/vllm/server';
import { retryDelay } from '../../../lib/retry';
import { openVllm } from '../../../lib/vllm';
import { expectRejection, expectThrow } from '../../support/expect-error';

describe('a vLLM server', () => {
  it('is named by its address, with the model behind #', () => {
    const defaults = {
      input: 'image_embeds',
      dtype: 'bf16',
      keyVariable: 'VLLM_API_KEY',
      retries: 4,
      timeout: 120_000,
    };
    const model = 'llava-hf/llava-1.5-7b-hf';
    const url = 'http://host:8000/v1';
    const settings = { ...defaults, url, model, text: undefined, name: `${url}#${model}` };
    expect(readServer(`${url}#${model}`)).to.deep.equal(settings);
    expect(readServer(`${url}/#${model}`)).to.deep.equal(settings);
    expect(readServer({ url: `${url}//`, model })).to.deep.equal(settings);
    expect(readServer({ url: 'HTTPS://Host', model: 'a#b' })).to.include({ url: 'https://host', model: 'a#b' });
  });

  const wrong: [unknown, RegExp][] = [
    ['http://host:8000/v1', /model's name behind # .* received "http:\/\/host:8000\/v1"$/],
    ['http://host:8000/v1#', /model's name behind #/],
    ['http://#model', /an address such as/],
    [{ url: 'host:8000', model: 'a' }, /an address such as/],
    [{ url: 'ftp://host', model: 'a' }, /an address such as/],
    [{ url: 5, model: 'a' }, /option url/],
    [{ url: 'http://host' }, /a model's name for model/],
    [{ url: 'http://host', model: '' }, /a model's name/],
    [{ url: 'http://host', model: 'a', input: 'pixels' }, /image_embeds, prompt_embeds, completions/],
    [{ url: 'http://host', model: 'a', input: 'completions' }, /the model's folder.* for text of a server/],
    [{ url: 'http://host', model: 'a', dtype: 'int8' }, /bf16, f16, f32/],
    [{ url: 'http://host', model: 'a', retries: 50 }, /0 to 20/],
    [{ url: 'http://host', model: 'a', timeout: 0 }, /1 to 300000/],
    [{ url: 'http://host', model: 'a', keyVariable: 'sk-key' }, /name of an environment variable/],
    [{ url: 'http://host', model: 'a', apiKey: 'sk-key' }, /"apiKey"/],
    [{ url: 'http://host', modle: 'a' }, /did you mean model/],
    [['http://host'], /an address or \{ url, model \}/],
    ['/a/folder', /an address or \{ url, model \}/],
  ];
  for (const [server, message] of wrong) {
    it(`is not named by ${JSON.stringify(server)}`, () =>
      expectRejection(openVllm(server as never, { width: 32 }), 'ERR_ARGUMENT', message));
  }

  it('has no secret in its address, and none is repeated', () => {
    for (const url of ['http://me:secret@host/v1', 'http://host/v1?key=secret']) {
      for (const server of [`${url}#model`, { url, model: 'model' }]) {
        expectThrow(
          () => readServer(server),
          'ERR_ARGUMENT',
          /without name, password, \? and # .* received http:\/\/host\/v1 with/,
        );
      }
    }
    const inside = { url: 'http://host/v1#secret', model: 'model' };
    expectThrow(
      () => readServer(inside),
      'ERR_ARGUMENT',
      /^(?!.*secret).* \? and # .* received http:\/\/host\/v1 with/,
    );
    expectThrow(() => readServer('http://me:secret@host/v1'), 'ERR_ARGUMENT', /^(?!.*secret)/);
  });

  it('needs to be told how wide its rows are', async () => {
    for (const width of [undefined, 0, 1.5]) {
      await expectRejection(openVllm('http://host/v1#a', { width }), 'ERR_ARGUMENT', /width of its rows/);
    }
  });

  it('is asked again after as long as it says, or twice as long each time', () => {
    const [least, most] = [() => 0, () => 1];
    expect([0, 1, 2, 3, 4, 9].map((attempt) => retryDelay(attempt, null, { random: most }))).to.deep.equal([
      500, 1000, 2000, 4000, 8000, 8000,
    ]);
    expect(retryDelay(1, null, { random: least })).to.equal(500);
    expect(retryDelay(1, '7')).to.equal(7000);
    expect(retryDelay(1, ' 0.5 ')).to.equal(500);
    expect(retryDelay(0, 'soon', { random: most })).to.equal(500);
    expect(retryDelay(0, '-5', { random: most }), 'no date and no number').to.be.within(0, 500);
    const date = new Date(Date.now() + 20_000).toUTCString();
    expect(retryDelay(0, date)).to.be.within(15_000, 20_000);
    expect(retryDelay(0, new Date(0).toUTCString())).to.equal(0);
  });
});
