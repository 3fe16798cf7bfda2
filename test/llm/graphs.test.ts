import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { AnswerModel, Rows } from '../../lib/llm/onnx/answer-model';
import { DecoderOnly } from '../../lib/llm/onnx/decoder-only';
import { Embedding } from '../../lib/llm/onnx/embedding';
import { EncoderDecoder } from '../../lib/llm/onnx/encoder-decoder';
import { KeyValueCache } from '../../lib/llm/onnx/key-value-cache';
import { OnnxFolder } from '../../lib/llm/onnx/onnx-folder';
import { OnnxRuntime } from '../../lib/llm/onnx/onnx-runtime';
import { promptRows } from '../../lib/llm/onnx/prompt-rows';
import { makeSampler } from '../../lib/llm/sampler';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { folderOf, FORMS, readExpected, visualOf, WIDTH, type ExpectedAnswer, type Form } from './support';

interface Opened {
  tokenizer: TextTokenizer;
  embedding: Embedding;
  model: AnswerModel;
  ends: number[];
}

// These graphs are tiny: here they may compute on the test's own thread, where their tokens can be seen.
async function open(form: Form): Promise<Opened> {
  const dir = folderOf(form);
  const json = (name: string) => JSON.parse(readFileSync(path.join(dir, name), 'utf8')) as Record<string, unknown>;
  const vocabularySize = json('config.json').vocab_size as number;
  const runtime = await OnnxRuntime.start(1);
  const files = await OnnxFolder.open(dir);
  const embedding = await Embedding.open(runtime, files, { width: WIDTH, vocabularySize });
  const sizes = { width: WIDTH, vocabularySize, positions: undefined, family: undefined };
  const model = form.startsWith('t5')
    ? await EncoderDecoder.open(runtime, files, sizes, 0)
    : await DecoderOnly.open(runtime, files, embedding, sizes);
  const tokenizer = await TextTokenizer.load(path.join(dir, 'tokenizer.json'));
  return { tokenizer, embedding, model, ends: json('generation_config.json').eos_token_id as number[] };
}

async function promptOf({ tokenizer, embedding }: Opened, answer: ExpectedAnswer): Promise<Rows> {
  const ids = await tokenizer.encode(answer.question);
  const nothing = { data: new Float32Array(), count: 0 };
  const visual = { data: visualOf(answer).data, count: answer.rows };
  return promptRows([nothing, await embedding.rows(ids)], visual, WIDTH);
}

async function greedy({ model, ends }: Opened, prompt: Rows): Promise<number[]> {
  const next = await model.read(prompt);
  const sample = makeSampler({ temperature: 0, topK: 0, topP: 1, seed: 0 });
  const said: number[] = [];
  while (said.length < 24 && !ends.includes(said.at(-1) ?? -1)) said.push(sample(await next(said.at(-1))));
  return said;
}

describe('language model graphs', () => {
  it('keep what the first step says of the encoder, whatever a merged decoder gives in its place later', async () => {
    const runtime = await OnnxRuntime.start(1);
    const rows = (count: number, number: number) =>
      runtime.floats(new Float32Array(count * 2).fill(number), [1, 1, count, 2]);
    const [own, of] = ['0.decoder.key', '0.encoder.key'];
    const cache = new KeyValueCache({
      [`past_key_values.${own}`]: rows(0, 0),
      [`past_key_values.${of}`]: rows(0, 0),
    });
    const held = () => Object.values(cache.feeds).map(({ dims, data }) => [dims[2], data[0]]);
    cache.update({ [`present.${own}`]: rows(1, 5), [`present.${of}`]: rows(4, 6), logits: rows(1, 0) });
    expect(held()).to.deep.equal([
      [1, 5],
      [4, 6],
    ]);
    for (const later of [{ [`present.${of}`]: rows(0, 0) }, {}]) {
      cache.update({ [`present.${own}`]: rows(2, 7), ...later });
      expect(held()).to.deep.equal([
        [2, 7],
        [4, 6],
      ]);
    }
  });

  for (const form of FORMS) {
    describe(form, () => {
      const cases = readExpected(form).cases.filter(({ prompt }) => prompt === '{question}');
      let opened: Opened;
      before(async () => {
        opened = await open(form);
      });

      for (const answer of cases) {
        it(`says PyTorch's ${answer.tokens.length} tokens behind ${answer.rows} visual ones`, async () => {
          expect(await greedy(opened, await promptOf(opened, answer))).to.deep.equal(answer.tokens);
        });
      }

      it('keeps the caches of answers under way apart', async () => {
        const prompts = await Promise.all(cases.map((answer) => promptOf(opened, answer)));
        const answers = await Promise.all(prompts.map((prompt) => greedy(opened, prompt)));
        expect(answers).to.deep.equal(cases.map(({ tokens }) => tokens));
      });
    });
  }
});
