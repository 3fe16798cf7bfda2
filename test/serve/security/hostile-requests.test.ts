import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { asked, chat } from '../server/open-servers';
import { post } from '../server/requests';
import { serverUnderAttack } from './hostile-server';

describe('hostile requests', () => {
  const { here, refused } = serverUnderAttack();

  it('with bodies that are too large are refused before they are read', async () => {
    await refused({ ...asked, image: 'x'.repeat(300_000) }, 413, 'body_too_large');
    const image = `data:image/png;base64,${'A'.repeat(140_000)}`;
    await refused({ ...asked, image }, 413, 'image_too_large');
  });

  it('with compressed bodies are refused', async () => {
    const reply = await here.app.inject({
      method: 'POST',
      url: '/v1/visual-tokens',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      payload: gzipSync(JSON.stringify(asked)),
    });
    expect(reply.statusCode).to.equal(415);
  });

  it('that reach for prototypes change nothing', async () => {
    const text = JSON.stringify(asked);
    for (const poison of [
      '"__proto__":{"polluted":1}',
      '"constructor":{"prototype":{"polluted":1}}',
      '"qavit":{"__proto__":{"polluted":1}}',
    ]) {
      const { statusCode, body } = await post(here.app, '/v1/visual-tokens', `${text.slice(0, -1)},${poison}}`);
      expect([statusCode, body.error.code], poison).to.deep.equal([400, 'forbidden_name']);
    }
    expect(({} as { polluted?: number }).polluted).to.equal(undefined);
  });

  it('with bodies of a wrong form are refused with the field that is wrong', async () => {
    const { content } = chat.messages[0]!;
    const wrong: [object | string, string | null][] = [
      ['', null],
      ['{', null],
      ['[]', null],
      ['null', null],
      [{ ...chat, messages: [] }, 'messages'],
      [{ ...chat, messages: 'x' }, 'messages'],
      [{ ...chat, messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
      [{ ...chat, messages: [{ role: 'system', content: 'x' }, ...chat.messages] }, 'messages[0].role'],
      [{ ...chat, messages: [{ role: 'user', content: content.slice(0, 1) }] }, 'messages'],
      [{ ...chat, messages: [{ role: 'user', content: content.slice(1) }] }, 'messages'],
      [{ ...chat, messages: [{ role: 'user', content: [...content, ...content] }] }, 'messages[0].content[2].text'],
      [{ ...chat, n: 2 }, 'n'],
      [{ ...chat, temperature: '0' }, 'temperature'],
      [{ ...chat, temperature: -1 }, 'temperature'],
      [{ ...chat, top_k: -2 }, 'top_k'],
      [{ ...chat, top_k: 1.5 }, 'top_k'],
      [{ ...chat, top_p: 0 }, 'top_p'],
      [{ ...chat, max_tokens: 9 }, 'max_tokens'],
      [{ ...chat, max_tokens: 1.5 }, 'max_tokens'],
      [{ ...chat, max_tokens: 1, max_completion_tokens: 2 }, 'max_tokens'],
      [{ ...chat, stream_options: { include_usage: true } }, 'stream_options'],
      [{ ...chat, tools: [{}] }, 'tools'],
      [{ ...chat, logprobs: true }, 'logprobs'],
      [{ ...chat, unheard_of: 1 }, 'unheard_of'],
      [{ ...chat, qavit: { questionAware: true } }, 'qavit.questionAware'],
      [{ model: 'demo' }, 'messages'],
      [{ ...chat, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
    ];
    for (const [body, param] of wrong) {
      const reply = await post(here.app, '/v1/chat/completions', body);
      expect([reply.statusCode, reply.body.error.param], JSON.stringify(body)).to.deep.equal([400, param]);
    }
    const { body: told } = await post(here.app, '/v1/chat/completions', { ...chat, n: 2 });
    expect(told.error.message).to.match(/allowed values \(1, null\)$/);
    const { body: extra } = await post(here.app, '/v1/chat/completions', { ...chat, unheard_of: {} });
    expect(extra.error.message).to.match(/additional properties \("unheard_of"\)$/);
    await refused({ ...asked, question: 'x'.repeat(101) }, 400, 'question_too_long');
    await refused({ ...asked, question: '  ' }, 400, 'question_empty');
    await refused({ ...asked, question: '!!!' }, 400, 'ERR_ARGUMENT');
    expect(
      (
        await here.app.inject({
          method: 'POST',
          url: '/v1/attend',
          payload: 'x',
          headers: { 'content-type': 'text/plain' },
        })
      ).statusCode,
    ).to.equal(415);
  });

  it('with numbers that are none, or beyond all measure, are refused', async () => {
    const text = JSON.stringify(chat).slice(0, -1);
    for (const [field, param] of [
      ['"temperature":NaN', null],
      ['"temperature":1e999', 'temperature'],
      ['"temperature":-1e-9', 'temperature'],
      ['"top_p":1e-400', 'top_p'],
      ['"top_p":1.0000001', 'top_p'],
      ['"max_tokens":1e308', 'max_tokens'],
      ['"max_tokens":9007199254740993', 'max_tokens'],
      ['"max_completion_tokens":0', 'max_completion_tokens'],
      ['"max_completion_tokens":1e999', 'max_completion_tokens'],
      ['"seed":1e999', 'seed'],
      ['"seed":-1', 'seed'],
      ['"seed":9007199254740993', 'seed'],
    ] as const) {
      const { statusCode, body } = await post(here.app, '/v1/chat/completions', `${text},${field}}`);
      expect([statusCode, body.error.param], field).to.deep.equal([400, param]);
    }
  });

  it('put nothing of theirs into headers', async () => {
    const evil = 'demo\r\nX-Evil: 1';
    for (const [url, body] of [
      ['/v1/visual-tokens', { ...asked, model: evil, format: 'npy' }],
      ['/v1/visual-tokens', { ...asked, question: evil, format: 'npy' }],
      ['/v1/chat/completions', { ...chat, model: evil }],
      ['/v1/chat/completions', { ...chat, user: evil, stream: true }],
    ] as const) {
      const { headers } = await here.app.inject({ method: 'POST', url, payload: body });
      expect(headers).to.not.have.property('x-evil');
      expect(JSON.stringify(headers)).to.not.match(/evil/i);
    }
  });

  it('by names in any script, or in no valid encoding, find no model', async () => {
    for (const name of ['%E2%98%83', '%F0%9F%98%80', '%00', '%0d%0aX-Evil:%201', 'x'.repeat(300)]) {
      const { statusCode, headers } = await here.app.inject(`/v1/models/${name}`);
      expect(statusCode, name).to.be.oneOf([400, 404, 414]);
      expect(headers).to.not.have.property('x-evil');
    }
    expect((await here.app.inject('/v1/models/%FF')).statusCode).to.equal(400);
    await refused({ ...asked, model: '\u{1F600}\uD800' }, 404, 'model_not_found');
  });

  it('that the framework refuses get an error of the usual form, in our words', async () => {
    const json = { 'content-type': 'application/json' };
    const to = { method: 'POST', url: '/v1/attend', headers: json } as const;
    for (const [request, status, code] of [
      [{ url: '/v1/models/%zz' }, 400, 'invalid_url'],
      [{ url: `/v1/models/${'x'.repeat(200)}` }, 404, 'model_not_found'],
      [{ url: `/v1/models/${'x'.repeat(4000)}` }, 414, 'invalid_url'],
      [{ url: '/nowhere' }, 404, 'not_found'],
      [{ ...to, payload: '{' }, 400, 'invalid_json'],
      [{ ...to, payload: '' }, 400, 'invalid_json'],
      [{ ...to, payload: 'x', headers: { 'content-type': 'text/plain' } }, 415, 'unsupported_media_type'],
    ] as const) {
      const reply = await here.app.inject(request);
      expect(reply.statusCode, reply.body).to.equal(status);
      const { error } = reply.json<{ error: { code: string; message: string } }>();
      expect(error).to.have.all.keys('message', 'type', 'param', 'code');
      expect(error.code).to.equal(code);
      expect(error.message).to.match(/^Expected /);
    }
  });

  it('by another method than a route has are told which it has, and their bodies are not read', async () => {
    for (const [method, url, allowed] of [
      ['GET', '/v1/attend', 'POST'],
      ['DELETE', '/v1/models/demo', 'GET, HEAD'],
      ['PUT', '/v1/chat/completions', 'POST'],
      ['POST', '/healthz', 'GET, HEAD'],
      ['POST', '/', 'GET, HEAD'],
    ] as const) {
      const { statusCode, headers, body } = await here.app.inject({ method, url, payload: 'no JSON' });
      expect([statusCode, headers.allow], url).to.deep.equal([405, allowed]);
      expect((JSON.parse(body) as { error: { code: string } }).error.code).to.equal('method_not_allowed');
    }
    expect((await here.app.inject({ method: 'HEAD', url: '/v1/models' })).statusCode).to.equal(200);
    expect((await here.app.inject({ method: 'POST', url: '/nowhere' })).statusCode).to.equal(404);
  });
});
