import { expect } from 'chai';
import type { FastifyInstance } from 'fastify';
import { QAViT } from '../../../lib';
import { createServer } from '../../../lib/serve';
import { attentionToQuestion } from '../../../lib/view/question-effect';
import { dataUrl, post, sample } from './requests';

const QUESTION = 'what digit is on the red square?';

describe('the server', () => {
  let model: QAViT;
  let app: FastifyInstance;

  before(async () => {
    model = await QAViT.load('demo', { device: 'cpu' });
    app = await createServer({ demo: model });
  });
  after(async () => {
    await app.close();
    await model.close();
  });

  async function answer(options = {}): Promise<string> {
    let text = '';
    for await (const piece of model.ask(sample('digits'), QUESTION, options)) text += piece;
    return text;
  }

  const messages = [
    {
      role: 'user',
      content: [
        { type: 'text', text: QUESTION },
        { type: 'image_url', image_url: { url: dataUrl('digits') } },
      ],
    },
  ];

  it('lives and is ready', async () => {
    expect((await app.inject('/healthz')).json()).to.deep.equal({ status: 'ok' });
    expect((await app.inject('/readyz')).json()).to.deep.equal({ status: 'ready' });
  });

  it('lists its models', async () => {
    const { data } = (await app.inject('/v1/models')).json<{ data: { id: string; qavit: object }[] }>();
    expect(data.map(({ id }) => id)).to.deep.equal(['demo']);
    expect(data[0]!.qavit).to.include({
      readsQuestions: true,
      patch: 8,
      layers: 5,
      dtype: model.info.dtype,
      device: 'cpu',
      canAnswer: true,
    });
    expect(data[0]!.qavit).to.deep.include({ limits: { pixels: 32 * 2 ** 20, bytes: 10 * 2 ** 20 } });
    expect((await app.inject('/v1/models/demo')).json()).to.deep.equal(data[0]);
    expect((await app.inject('/v1/models/other')).statusCode).to.equal(404);
  });

  it('answers as the model does', async () => {
    const { statusCode, body } = await post(app, '/v1/chat/completions', { model: 'demo', messages });
    expect(statusCode).to.equal(200);
    expect(body.choices).to.deep.equal([
      {
        index: 0,
        message: { role: 'assistant', content: await answer(), refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
    expect(body.usage.total_tokens).to.equal(body.usage.prompt_tokens + body.usage.completion_tokens);
    expect(body.usage.prompt_tokens).to.be.greaterThan(model.info.N);
    expect(body.qavit.timings).to.have.keys(
      'queued_ms',
      'decode_ms',
      'listen_ms',
      'look_ms',
      'encode_ms',
      'first_token_ms',
      'total_ms',
    );
    expect(body.qavit.cached).to.deep.equal({ image: false, question: false });
    const again = await post(app, '/v1/chat/completions', { model: 'demo', messages });
    expect(again.body.qavit.cached).to.deep.equal({ image: true, question: true });
    expect(again.body.qavit.timings).to.not.have.any.keys('decode_ms', 'listen_ms', 'look_ms');
  });

  it('says that an answer was cut', async () => {
    const { body } = await post(app, '/v1/chat/completions', { model: 'demo', messages, max_tokens: 1 });
    expect(body.choices[0]!.finish_reason).to.equal('length');
    expect(body.usage.completion_tokens).to.equal(1);
  });

  it('cuts an answer at the limit of the server where the request names none', async () => {
    const brief = await createServer({ demo: model }, { limits: { newTokens: 1 } });
    const { body } = await post(brief, '/v1/chat/completions', { model: 'demo', messages });
    expect([body.choices[0]!.finish_reason, body.usage.completion_tokens]).to.deep.equal(['length', 1]);
    await brief.close();
  });

  it('ends an answer before a stop sequence', async () => {
    const whole = await answer();
    for (const stop of [whole, [whole.at(-1)!, 'never said']]) {
      const { body } = await post(app, '/v1/chat/completions', { model: 'demo', messages, stop });
      const first = typeof stop === 'string' ? 0 : whole.indexOf(stop[0]!);
      expect(body.choices[0]!.message.content).to.equal(whole.slice(0, first));
      expect(body.choices[0]!.finish_reason).to.equal('stop');
      expect(body.usage.completion_tokens).to.be.greaterThan(0);
    }
  });

  it('lets the plain tower encode when asked to', async () => {
    const qavit = { question_aware: false };
    const { body } = await post(app, '/v1/chat/completions', { model: 'demo', messages, qavit });
    expect(body.choices[0]!.message.content).to.equal(await answer({ questionAware: false }));
  });

  it('hands out visual tokens in three formats', async () => {
    const wanted = await model.encode(sample('digits'), QUESTION);
    const asked = { model: 'demo', image: dataUrl('digits'), question: QUESTION };
    const { body } = await post(app, '/v1/visual-tokens', asked);
    expect(body).to.include({ object: 'visual_tokens', dtype: 'float32', key: wanted.key });
    expect(body.shape).to.deep.equal(wanted.shape);
    const bytes = Buffer.from(wanted.data.buffer, wanted.data.byteOffset, wanted.data.byteLength);
    expect(body.data).to.equal(bytes.toString('base64'));
    for (const format of ['npy', 'safetensors']) {
      const reply = await app.inject({ method: 'POST', url: '/v1/visual-tokens', payload: { ...asked, format } });
      expect(reply.headers['x-qavit-shape']).to.equal(wanted.shape.join(','));
      expect(reply.headers['x-qavit-key']).to.equal(wanted.key);
      expect(reply.rawPayload.subarray(-bytes.length).equals(bytes), format).to.equal(true);
    }
    const plain = await post(app, '/v1/visual-tokens', { ...asked, question: null, output: 'tower' });
    expect(plain.body.key).to.equal((await model.encode(sample('digits'), null, { output: 'tower' })).key);
  });

  it('says where a question draws attention', async () => {
    const asked = { model: 'demo', image: dataUrl('letters'), question: 'what letter is there?' };
    const { body } = await post(app, '/v1/attend', asked);
    const maps = await model.attend(sample('letters'), asked.question);
    expect(body.grid).to.deep.equal(maps.grid);
    expect(body.question_tokens).to.equal(maps.layers[0]!.attention.shape[1]);
    expect(body.layers.map(({ layer }) => layer)).to.deep.equal(model.info.fusedLayers);
    const { values } = attentionToQuestion(maps);
    const mean = Array.from(values, (_, patch) =>
      body.layers.reduce((sum, { map }) => sum + map[patch]! / body.layers.length, 0),
    );
    mean.forEach((value, patch) => expect(value).to.be.closeTo(values[patch]!, 1e-6));
    expect(body.difference).to.deep.equal(Array.from(maps.difference.subarray(-values.length)));
  });
});
