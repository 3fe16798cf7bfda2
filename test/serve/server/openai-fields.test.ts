import { expect } from 'chai';
import { decodingOf } from '../../../lib/serve/server/chat/body';
import { requireSelection, type ServedModel } from '../../../lib/serve/server/served-model';
import type { FastifyInstance } from 'fastify';
import { QAViT } from '../../../lib';
import { createServer } from '../../../lib/serve';
import { chat, QUESTION } from './open-servers';
import { dataUrl, post } from './requests';

/** Values that ask for nothing, as OpenAI's clients send them. */
const NOTHING: readonly object[] = [
  { n: 1 },
  { logit_bias: {} },
  { top_logprobs: 0 },
  { logprobs: false },
  { metadata: {} },
  { tools: [] },
  { tool_choice: 'none' },
  { tool_choice: 'auto' },
  { parallel_tool_calls: true },
  { parallel_tool_calls: false },
  { functions: [], function_call: 'auto' },
  { response_format: { type: 'text' } },
  { modalities: ['text'] },
  { reasoning_effort: 'none' },
  { verbosity: 'medium' },
  { service_tier: 'auto' },
  { stream_options: null },
  { user: 'u', safety_identifier: 's', prompt_cache_key: 'k', prompt_cache_retention: '24h' },
];

/** OpenAI's fields, all of which may be null for absent. */
const NULLS = [
  ...['audio', 'frequency_penalty', 'function_call', 'functions', 'logit_bias', 'logprobs', 'max_completion_tokens'],
  ...['max_tokens', 'metadata', 'modalities', 'moderation', 'n', 'parallel_tool_calls', 'prediction'],
  ...['presence_penalty', 'prompt_cache_key', 'prompt_cache_retention', 'reasoning_effort', 'response_format'],
  ...['safety_identifier', 'seed', 'service_tier', 'stop', 'store', 'stream', 'stream_options', 'temperature'],
  ...['tool_choice', 'tools', 'top_logprobs', 'top_k', 'top_p', 'user', 'verbosity', 'web_search_options'],
];

/** Values that would change an answer, and so are refused. */
const SOMETHING: readonly (readonly [object, string])[] = [
  [{ n: 2 }, 'n'],
  [{ logit_bias: { 50256: -100 } }, 'logit_bias'],
  [{ top_logprobs: 2 }, 'top_logprobs'],
  [{ metadata: { run: 'a' } }, 'metadata'],
  [{ tool_choice: 'required' }, 'tool_choice'],
  [{ tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools'],
  [{ response_format: { type: 'json_object' } }, 'response_format.type'],
  [{ modalities: ['text', 'audio'] }, 'modalities'],
  [{ reasoning_effort: 'high' }, 'reasoning_effort'],
  [{ verbosity: 'low' }, 'verbosity'],
  [{ prediction: { type: 'content', content: 'x' } }, 'prediction'],
  [{ web_search_options: {} }, 'web_search_options'],
];

describe('fields of OpenAI’s', () => {
  let model: QAViT;
  let app: FastifyInstance;
  let wanted: string;

  before(async () => {
    model = await QAViT.load('demo', { device: 'cpu' });
    app = await createServer({ demo: model });
    wanted = await answerTo(chat);
  });
  after(async () => {
    await app.close();
    await model.close();
  });

  async function answerTo(body: object): Promise<string> {
    const { statusCode, body: answer } = await post(app, '/v1/chat/completions', body);
    expect(statusCode, JSON.stringify(answer)).to.equal(200);
    return answer.choices[0]!.message.content;
  }

  /** The conversation of the other tests, with something added to its message or its picture. */
  function saying({ message, image }: { message?: object; image?: object }): object {
    const content = [
      { type: 'text', text: QUESTION },
      { type: 'image_url', image_url: { url: dataUrl('digits'), ...image } },
    ];
    return { model: 'demo', messages: [{ role: 'user', content, ...message }] };
  }

  it('that ask for nothing change nothing', async () => {
    for (const fields of NOTHING) expect(await answerTo({ ...chat, ...fields })).to.equal(wanted);
    for (const field of NULLS) expect(await answerTo({ ...chat, [field]: null }), field).to.equal(wanted);
    for (const name of ['alice', null]) expect(await answerTo(saying({ message: { name } }))).to.equal(wanted);
    for (const detail of ['auto', 'low', 'high', null])
      expect(await answerTo(saying({ image: { detail } })), String(detail)).to.equal(wanted);
    const options = { include_usage: null, include_obfuscation: null };
    const streamed = { ...chat, stream: true, stream_options: options };
    const { statusCode, body } = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload: streamed });
    expect([statusCode, body.includes('"usage"')]).to.deep.equal([200, false]);
  });

  it('that ask for something are refused by their names', async () => {
    for (const [fields, param] of SOMETHING) {
      const { statusCode, body } = await post(app, '/v1/chat/completions', { ...chat, ...fields });
      expect([statusCode, body.error.param], JSON.stringify(fields)).to.deep.equal([400, param]);
    }
  });

  it('that are wrong deep in a message are told in one clause, with what is right', async () => {
    const withPart = (part: unknown): object => ({ model: 'demo', messages: [{ role: 'user', content: [part] }] });
    const picture = (image: object): object => withPart({ type: 'image_url', image_url: { url: 'x', ...image } });
    const wrong: [object, param: string, message: string][] = [
      [
        picture({ detail: 'medium' }),
        'messages[0].content[0].image_url.detail',
        'messages[0].content[0].image_url.detail must be equal to one of the allowed values ("auto", "low", "high", null)',
      ],
      [
        picture({ detial: 'low' }),
        'messages[0].content[0].image_url.detial',
        'messages[0].content[0].image_url must NOT have additional properties ("detial")',
      ],
      [
        withPart({ type: 'input_text', text: 'x' }),
        'messages[0].content[0].type',
        'messages[0].content[0].type must be equal to one of the allowed values ("text", "image_url")',
      ],
      [
        withPart({ text: 'x' }),
        'messages[0].content[0].type',
        'messages[0].content[0].type must be equal to one of the allowed values ("text", "image_url")',
      ],
      [
        withPart({ type: 'text', text: 5 }),
        'messages[0].content[0].text',
        'messages[0].content[0].text must be string',
      ],
      [
        withPart({ type: 'text' }),
        'messages[0].content[0].text',
        "messages[0].content[0] must have required property 'text'",
      ],
      [withPart('x'), 'messages[0].content[0]', 'messages[0].content[0] must be object'],
      [
        { model: 'demo', messages: [{ role: 'user', content: 5 }] },
        'messages[0].content',
        'messages[0].content must be string,array',
      ],
      [{ ...chat, stop: '' }, 'stop', 'stop must NOT have fewer than 1 characters'],
      [
        { ...chat, qavit: { visual_tokens: 0 } },
        'qavit.visual_tokens',
        'qavit.visual_tokens must be >= 1 or must be equal to constant ("all")',
      ],
      [{ model: 'demo' }, 'messages', "its body must have required property 'messages'"],
    ];
    for (const [payload, param, message] of wrong) {
      const { statusCode, body } = await post(app, '/v1/chat/completions', payload);
      expect([statusCode, body.error.param, body.error.message]).to.deep.equal([
        400,
        param,
        `Expected a valid request, but ${message}`,
      ]);
    }
  });

  it('of vLLM’s that draw among the likeliest tokens reach the language model', async () => {
    const drawn = { ...chat, temperature: 2, seed: 5 };
    expect(await answerTo({ ...drawn, top_k: 1 })).to.equal(wanted);
    const body = { model: 'm', messages: [] };
    expect([5, 0, -1, null].map((top_k) => decodingOf({ ...body, top_k }, 9).topK)).to.deep.equal([5, 0, 0, 0]);
  });

  it('bound the answer by either of two names, and take as many visual tokens as there are', () => {
    const body = { model: 'm', messages: [] };
    expect(decodingOf({ ...body, max_completion_tokens: 7 }, 9).maxNewTokens).to.equal(7);
    expect(decodingOf({ ...body, max_tokens: 8, max_completion_tokens: null }, 9).maxNewTokens).to.equal(8);
    expect(decodingOf({ ...body, max_tokens: null }, 512).maxNewTokens).to.equal(512);
    const served = { id: 'm', selectsTokens: true, allTokens: 4 } as ServedModel;
    requireSelection(served, 4, 'visual_tokens');
    expect(() => requireSelection(served, 5, 'visual_tokens')).to.throw(/at most 4 visual tokens/);
  });
});
