/** The protocol: what goes to a vLLM server, and what comes back. */
import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import OpenAI from 'openai';
import { cacheKey, imageEmbeds, promptEmbeds } from '../../../lib/vllm';
import { expectRejection } from '../../support/expect-error';
import { sendEvent, startEvents, tokenEvent } from '../../support/fake-vllm';
import { requirePython, runPython, TORCH_LOAD } from '../../support/python';
import { temporaryFolder } from '../../support/temporary';
import { toBf16 } from '../../support/bf16';
import { savedTensor } from '../../support/torch-tensor';
import { pieces, TOKENS, vllmOfTest } from './support';

interface Chat {
  messages: { role: string; content: Record<string, string>[] }[];
}

const bf16 = Buffer.from(toBf16(TOKENS.data).buffer);
const tensorIn = (base64 = '') => savedTensor(Buffer.from(base64, 'base64'));

describe('vLLM', () => {
  const at = temporaryFolder();
  const { server, open } = vllmOfTest();
  const contentSent = () => (server().last.body as unknown as Chat).messages[0]?.content ?? [];

  it('is asked by chat with image_embeds, and answers in pieces', async () => {
    const model = await open();
    expect(await pieces(model, 'what is it?', { maxNewTokens: 7 })).to.deep.equal(['a', ' red', ' square']);
    const { path, headers, body } = server().last;
    expect(path).to.equal('/v1/chat/completions');
    expect(headers).to.include({ 'content-type': 'application/json', accept: 'text/event-stream' });
    expect(headers).to.not.have.property('authorization');
    const { messages, ...rest } = body as unknown as Chat;
    expect(rest).to.deep.equal({
      model: 'tiny',
      max_completion_tokens: 7,
      temperature: 0,
      top_k: -1,
      top_p: 1,
      stream: true,
    });
    expect(messages.map(({ role }) => role)).to.deep.equal(['user']);
    const [picture, words, ...others] = contentSent();
    expect(others).to.have.length(0);
    expect(words).to.deep.equal({ type: 'text', text: 'what is it?' });
    expect(picture).to.have.all.keys('type', 'image_embeds', 'uuid');
    expect(picture).to.include({ type: 'image_embeds', uuid: cacheKey(TOKENS) });
    const { bytes, ...tensor } = tensorIn(picture!.image_embeds);
    expect(tensor).to.deep.include({ dtype: 'BF16', shape: [5, 32], strides: undefined });
    expect(bytes.equals(bf16)).to.equal(true);
  });

  it('is asked by chat with prompt_embeds', async () => {
    const model = await open({ input: 'prompt_embeds', dtype: 'f32' });
    expect((await pieces(model)).join('')).to.equal('a red square');
    expect(server().last.path).to.equal('/v1/chat/completions');
    const [picture] = contentSent();
    expect(picture).to.have.all.keys('type', 'data');
    expect(picture).to.include({ type: 'prompt_embeds' });
    expect(tensorIn(picture!.data).bytes.equals(Buffer.from(TOKENS.data.buffer))).to.equal(true);
  });

  it('gets the picture alone where the question is empty, and the question as the adapter reads it', async () => {
    const model = await open();
    await pieces(model, '');
    expect(contentSent().map(({ type }) => type)).to.deep.equal(['image_embeds']);
    for (const text of ['here', '"here", \\"here\\" {} ñ 日本']) {
      await pieces(model, text);
      expect(contentSent()[1]).to.deep.equal({ type: 'text', text });
      expect(tensorIn(contentSent()[0]!.image_embeds).bytes.equals(bf16)).to.equal(true);
    }
    await pieces(model, 'What (exactly) IS it?!', { question: { normalization: 'qa-vit', maxTokens: 2 } });
    expect(contentSent()[1]).to.deep.equal({ type: 'text', text: 'what exactly is it?' });
  });

  it('draws as it is told', async () => {
    const stop = ['here', '\n'];
    await pieces(await open(), 'a', { temperature: 0.7, topK: 5, topP: 0.9, seed: 2 ** 40, maxNewTokens: 3, stop });
    const drawn = { temperature: 0.7, top_k: 5, top_p: 0.9, seed: 2 ** 40, max_completion_tokens: 3 };
    expect(server().last.body).to.include(drawn);
    expect(server().last.body.stop).to.deep.equal(stop);
  });

  it('sends tensors that torch.load(weights_only=True) reads, bit for bit', async function () {
    requirePython(this, 'torch');
    const files: string[] = [];
    const save = (name: string, base64 = '') => {
      writeFileSync(at(name), Buffer.from(base64, 'base64'));
      files.push(at(name));
    };
    for (const dtype of ['bf16', 'f16', 'f32'] as const) {
      await pieces(await open({ dtype }));
      save(`image-${dtype}`, contentSent()[0]!.image_embeds);
      await pieces(await open({ dtype, input: 'prompt_embeds' }));
      save(`prompt-${dtype}`, contentSent()[0]!.data);
    }
    const loaded = (await runPython(TORCH_LOAD, ...files)) as { dtype: string; shape: number[]; bytes: string }[];
    const names = ['bfloat16', 'float16', 'float32'].flatMap((name) => [`torch.${name}`, `torch.${name}`]);
    expect(loaded.map(({ dtype }) => dtype)).to.deep.equal(names);
    for (const { shape } of loaded) expect(shape).to.deep.equal([5, 32]);
    expect(loaded[0]!.bytes).to.equal(bf16.toString('hex'));
    expect(loaded[1]!.bytes).to.equal(bf16.toString('hex'));
    expect(loaded[5]!.bytes).to.equal(Buffer.from(TOKENS.data.buffer).toString('hex'));
  });

  it('is what the official client talks to, with the parts that users put together', async () => {
    const client = new OpenAI({ apiKey: 'EMPTY', baseURL: server().url, maxRetries: 0 });
    for (const part of [imageEmbeds(TOKENS), promptEmbeds(TOKENS)]) {
      const content = [part, { type: 'text', text: 'what is it?' }] as unknown as OpenAI.ChatCompletionContentPart[];
      const stream = await client.chat.completions.create({
        model: 'tiny',
        messages: [{ role: 'user', content }],
        stream: true,
      });
      let text = '';
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
      expect(text).to.equal('a red square');
      expect(contentSent()[0]).to.deep.equal(part);
    }
  });

  it('may say more than text: a role, usage, comments, fields of other names, words split anywhere', async () => {
    server().respond = async (received, response) => {
      startEvents(response);
      const events = [
        ': ping\n\nevent: message\nid: 5\nretry: 10\n',
        `data:${JSON.stringify(tokenEvent(received, 'naïve 日本'))}\r\n\r\n`,
        `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: null } }] })}\n\n`,
        `data: ${JSON.stringify(tokenEvent(received, ' 🙂', 'length'))}\n\n`,
        `data: ${JSON.stringify({ choices: [], usage: { total_tokens: 9 } })}\n\ndata: [DONE]\n\n`,
      ];
      const bytes = Buffer.from(events.join(''));
      for (let at = 0; at < bytes.length; at += 7) {
        response.write(bytes.subarray(at, at + 7));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    };
    expect(await pieces(await open())).to.deep.equal(['naïve 日本', ' 🙂']);
  });

  it('has answered once it gave its reason to stop, whether [DONE] comes or not', async () => {
    server().respond = (received, response) => {
      startEvents(response);
      sendEvent(response, tokenEvent(received, 'yes', 'stop'));
      response.end();
    };
    expect(await pieces(await open())).to.deep.equal(['yes']);
  });

  it('says why it ended, where the server does', async () => {
    for (const [reason, finish] of [
      ['stop', 'stop'],
      ['length', 'length'],
    ] as const) {
      server().respond = (received, response) => {
        startEvents(response);
        sendEvent(response, tokenEvent(received, 'yes', reason));
        response.end('data: [DONE]\n\n');
      };
      const answer = (await open()).generate(TOKENS, 'what is it?');
      expect((await answer.next()).value).to.equal('yes');
      expect(await answer.next()).to.deep.equal({ done: true, value: { finish } });
    }
  });

  it('keeps its connection from one answer to the next', async () => {
    const model = await open();
    for (let i = 0; i < 8; i++) await pieces(model);
    // Node.js opens a second one where the first is not quite free yet.
    expect(await server().connections()).to.be.at.most(2);
  });

  it('makes no question features, and says who could', async () => {
    const how = { features: 'embedding', normalization: 'none', maxTokens: 5 } as const;
    const model = await open();
    expect(model.info).to.deep.include({ kind: 'decoder-only', width: 32, questionWidth: null, vocabularySize: null });
    expect(model.info.path).to.equal(`${server().url}#tiny`);
    await expectRejection(
      model.encodeQuestion('a', how),
      'ERR_UNSUPPORTED',
      /a folder that reads questions .*`questions`/,
    );
  });

  it('refuses tokens and options that are none', async () => {
    const model = await open();
    const wide = { data: new Float32Array(64), shape: [1, 64] as [number, number] };
    await expectRejection(pieces(model, 'a', {}, wide), 'ERR_SHAPE', /E = 32/);
    await expectRejection(pieces(model, 5 as never), 'ERR_ARGUMENT', /a string for the question/);
    await expectRejection(pieces(model, 'a', { maxTokens: 3 } as never), 'ERR_ARGUMENT', /maxTokens/);
    expect(server().received).to.have.length(0);
  });
});
