import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { FastifyInstance } from 'fastify';
import type { APIError } from 'openai';
import OpenAI from 'openai';
import { QAViT } from '../../../lib';
import { createServer } from '../../../lib/serve';
import { FakeModel } from '../batcher/fake-model';
import { dataUrl, sample } from './requests';

const QUESTION = 'what digit is on the red square?';
const KEY = 'sesame-open';

const messages = (question = QUESTION, image = dataUrl('digits')): OpenAI.ChatCompletionMessageParam[] => [
  {
    role: 'user',
    content: [
      { type: 'text', text: question },
      { type: 'image_url', image_url: { url: image } },
    ],
  },
];

describe('the official OpenAI client', () => {
  let model: QAViT;
  let app: FastifyInstance;
  let client: OpenAI;
  let held: FastifyInstance | undefined;

  before(async () => {
    model = await QAViT.load('demo', { device: 'cpu' });
    app = await createServer({ demo: model }, { apiKeys: ['another', KEY] });
    await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address() as AddressInfo;
    client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: KEY, maxRetries: 0 });
  });
  after(async () => {
    await held?.close();
    await app.close();
    await model.close();
  });

  async function direct(question = QUESTION): Promise<string> {
    let text = '';
    for await (const piece of model.ask(sample('digits'), question)) text += piece;
    return text;
  }

  it('lists the models', async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).to.deep.equal(['demo']);
    expect((await client.models.retrieve('demo')).owned_by).to.equal('qavit');
  });

  it('streams an answer about a picture', async () => {
    const stream = await client.chat.completions.create({
      model: 'demo',
      messages: messages(),
      stream: true,
      stream_options: { include_usage: true },
    });
    let [text, role, finish]: (string | null | undefined)[] = [''];
    let last: OpenAI.ChatCompletionChunk | undefined;
    for await (const chunk of stream) {
      const [choice] = chunk.choices;
      role ??= choice?.delta.role;
      text += choice?.delta.content ?? '';
      finish ??= choice?.finish_reason;
      last = chunk;
    }
    expect([role, text, finish]).to.deep.equal(['assistant', await direct(), 'stop']);
    expect(last!.usage!.completion_tokens).to.be.greaterThan(0);
    expect(last).to.have.nested.property('qavit.timings.first_token_ms');
  });

  it('takes a plain answer, and its own helper for streams works', async () => {
    const plain = await client.chat.completions.create({ model: 'demo', messages: messages(), temperature: 0, n: 1 });
    expect(plain.choices[0]!.message.content).to.equal(await direct());
    const helped = client.chat.completions.stream({ model: 'demo', messages: messages('how many squares are there?') });
    expect(await helped.finalContent()).to.equal(await direct('how many squares are there?'));
  });

  it('is told what is wrong', async () => {
    const failure = async (work: Promise<unknown>) => (await work.catch((error: unknown) => error)) as APIError;
    const wrongKey = new OpenAI({ baseURL: client.baseURL, apiKey: 'wrong', maxRetries: 0 });
    const refused = await failure(wrongKey.models.list());
    expect(refused).to.be.instanceOf(OpenAI.AuthenticationError);
    expect(refused.code).to.equal('invalid_api_key');
    const unknown = await failure(client.chat.completions.create({ model: 'gpt-5', messages: messages() }));
    expect(unknown).to.be.instanceOf(OpenAI.NotFoundError);
    const bad = await failure(
      client.chat.completions.create({ model: 'demo', messages: messages(QUESTION, 'data:image/png;base64,AAAA') }),
    );
    expect(bad).to.be.instanceOf(OpenAI.BadRequestError);
    const tools = [{ type: 'function' as const, function: { name: 'f' } }];
    const unsupported = await failure(client.chat.completions.create({ model: 'demo', messages: messages(), tools }));
    expect([unsupported.status, unsupported.param]).to.deep.equal([400, 'tools']);
  });

  it('does not ask again for what a model cannot do', async () => {
    const mute = new FakeModel(false);
    Object.assign(mute.info, { language: null });
    await using server = await createServer({ mute });
    await server.listen({ port: 0, host: '127.0.0.1' });
    const { port } = server.server.address() as AddressInfo;
    let requests = 0;
    const counted: typeof fetch = (...request) => {
      requests += 1;
      return fetch(...request);
    };
    const patient = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none', fetch: counted });
    const asking = patient.chat.completions.create({ model: 'mute', messages: messages() });
    expect(await asking.catch((error: APIError) => error.status)).to.equal(501);
    expect(requests).to.equal(1);
  });

  it('frees its work within one batch when it hangs up', async () => {
    const model = new FakeModel();
    const server = await createServer({ held: model }, { batching: { maxBatch: 1 } });
    held = server;
    await server.listen({ port: 0, host: '127.0.0.1' });
    const { port } = server.server.address() as AddressInfo;
    const impatient = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none', maxRetries: 0 });
    const controller = new AbortController();
    const hungUp = Array.from({ length: 6 }, (_, i) =>
      impatient.chat.completions
        .create({ model: 'held', messages: messages(`question ${i}`), stream: true }, { signal: controller.signal })
        .catch((error: unknown) => error),
    );
    const gauge = async (name: string) => {
      const { body } = await server.inject('/metrics');
      return Number(new RegExp(`^${name}\\{model="held"\\} (\\d+)`, 'm').exec(body)?.[1]);
    };
    while ((await gauge('qavit_pending_requests')) < 6 || model.waiting < 2) await tick();
    controller.abort();
    for (const error of await Promise.all(hungUp)) expect(error).to.be.instanceOf(OpenAI.APIUserAbortError);
    // Nothing was let finish: what was computed has been stopped.
    while ((await gauge('qavit_pending_requests')) > 0) await tick();
    expect(model.signals.every((signal) => signal?.aborted)).to.equal(true);
    expect(await gauge('qavit_queue_depth')).to.equal(0);
  });
});

const tick = () => new Promise((resolve) => setImmediate(resolve));
