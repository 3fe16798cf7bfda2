import { expect } from 'chai';
import { asked, QUESTION } from '../server/open-servers';
import { post, sample } from '../server/requests';
import { bomb } from './bomb';
import { serverUnderAttack } from './hostile-server';

describe('hostile pictures', () => {
  const { here, refused } = serverUnderAttack();

  it('that are decompression bombs are refused from their heads', async () => {
    const file = bomb(20_000);
    expect(file.length).to.be.lessThan(100_000);
    const before = process.memoryUsage().rss;
    const reply = await post(here.app, '/v1/visual-tokens', {
      ...asked,
      image: `data:image/png;base64,${file.toString('base64')}`,
    });
    expect(reply.statusCode).to.equal(400);
    expect(reply.body.error.message).to.match(/at most 1000000 pixels for .* 20000 x 20000/);
    expect(reply.body.error.param).to.equal('image');
    expect(process.memoryUsage().rss - before).to.be.lessThan(64 * 2 ** 20);
  });

  it('that name files and other places are refused', async () => {
    for (const image of [
      '/etc/passwd',
      '../../etc/passwd',
      'file:///etc/passwd',
      'http://169.254.169.254/',
      'data:text/plain;base64,AAAA',
      'data:image/svg+xml,<svg/>',
      'data:image/png;base64,',
      'data:image/png;base64,!!!!',
      'data:image/png;base64,AAA',
      '',
    ]) {
      const { statusCode, body } = await post(here.app, '/v1/visual-tokens', { ...asked, image });
      expect([statusCode, body.error.param], image).to.deep.equal([400, 'image']);
    }
    await refused({ ...asked, image: 'https://example.org/a.png' }, 400, 'remote_images_disabled');
    await refused({ ...asked, model: '../../etc' }, 404, 'model_not_found');
    await refused({ ...asked, model: '__proto__' }, 404, 'model_not_found');
    for (const url of [
      '/page/../../package.json',
      '/page/..%2f..%2fpackage.json',
      '/v1/models/..%2f..%2fpackage.json',
      '//etc/passwd',
    ]) {
      expect((await here.app.inject(url)).statusCode, url).to.equal(404);
    }
  });

  it('are named by their fields, in messages too, and in streams', async () => {
    const svg = `data:image/png;base64,${Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64')}`;
    const field = async (url: string, body: object) => (await post(here.app, url, body)).body.error.param;
    expect(await field('/v1/attend', { ...asked, image: svg })).to.equal('image');
    expect(await field('/v1/attend', { ...asked, question: '!!!' })).to.equal('question');
    const text = { type: 'text', text: QUESTION };
    const messages = [{ role: 'user', content: [text, { type: 'image_url', image_url: { url: svg } }] }];
    for (const stream of [false, true]) {
      const param = await field('/v1/chat/completions', { model: 'demo', messages, stream });
      expect(param).to.equal('messages[0].content[1].image_url.url');
    }
  });

  it('that are documents, or damaged, are refused', async () => {
    const url = (bytes: Buffer | string) => `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`;
    await refused({ ...asked, image: url('<svg xmlns="http://www.w3.org/2000/svg"/>') }, 400, 'ERR_UNSUPPORTED');
    await refused({ ...asked, image: url('%PDF-1.7') }, 400, 'ERR_UNSUPPORTED');
    await refused({ ...asked, image: url('no picture') }, 400, 'ERR_FORMAT');
    await refused({ ...asked, image: url(sample('digits').subarray(0, 2000)) }, 400, 'ERR_FORMAT');
  });
});
