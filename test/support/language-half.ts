/** A vision-language model's language half on the test's own thread, where its tokens can be seen: the fixtures are tiny. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { QAViT, RawImage, VisualTokens } from '../../lib';
import { JsonFields } from '../../lib/json-fields';
import { ChatPrompt } from '../../lib/llm/chat/chat-prompt';
import { DecoderOnly } from '../../lib/llm/onnx/decoder-only';
import { Embedding } from '../../lib/llm/onnx/embedding';
import { promptRows } from '../../lib/llm/onnx/prompt-rows';
import { squaresOf } from '../../lib/llm/onnx/row-places';
import { type OnnxDType, OnnxFolder } from '../../lib/llm/onnx/onnx-folder';
import { OnnxRuntime } from '../../lib/llm/onnx/onnx-runtime';
import { readModelConfig } from '../../lib/llm/model-config';
import { openPrompt, type PromptWriter } from '../../lib/llm/open-prompt';
import type { Prompt } from '../../lib/llm/prompt';
import { makeSampler } from '../../lib/llm/sampler';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { type AnsweredLlava, type AskedLlava, framingOf, NEW_TOKENS, saidBy } from './vision-language';

/** That a model asks in transformers' tokens, and says its answers, token for token. */
export async function expectAnswers(
  model: QAViT,
  folder: string,
  picture: RawImage,
  answers: readonly AnsweredLlava[],
  { fused = false } = {},
): Promise<void> {
  const half = await LanguageHalf.open(folder);
  try {
    for (const asked of answers) {
      const tokens = await model.encode(picture, fused ? asked.question : null);
      expect(await half.prompted(asked)).to.deep.equal(asked.ids);
      expect(await half.greedy(tokens, asked)).to.deep.equal(asked.tokens);
      expect(await saidBy(model, picture, asked)).to.equal(asked.text);
    }
  } finally {
    await half.close();
  }
}

export class LanguageHalf {
  private constructor(
    private readonly prompt: PromptWriter,
    private readonly imageToken: number,
    private readonly embedding: Embedding,
    private readonly decoder: DecoderOnly,
    private readonly ends: readonly number[],
    private readonly squareSide: number | undefined,
    private told = true,
  ) {}

  static async open(dir: string, dtype?: OnnxDType): Promise<LanguageHalf> {
    const json = (name: string): unknown => JSON.parse(readFileSync(path.join(dir, name), 'utf8'));
    const config = readModelConfig(await JsonFields.read(path.join(dir, 'config.json')));
    const { eos_token_id: ends } = json('generation_config.json') as { eos_token_id: number[] };
    const tokenizer = await TextTokenizer.load(path.join(dir, 'tokenizer.json'));
    const [runtime, files] = [await OnnxRuntime.start(1), await OnnxFolder.open(dir, dtype)];
    const embedding = await Embedding.open(runtime, files, config);
    const decoder = await DecoderOnly.open(runtime, files, embedding, config);
    const prompt = await openPrompt(dir, config, tokenizer);
    return new LanguageHalf(prompt, config.imageToken!, embedding, decoder, ends, config.squareSide);
  }

  /** The tokens of the prompt, one of them for the picture, or for each tile and the whole. */
  async prompted(asked: AskedLlava, tiles?: VisualTokens['tiles']): Promise<number[]> {
    const { texts } = await this.write(asked, tiles);
    return texts.flatMap((ids, i) => (i === 0 ? ids : [this.imageToken, ...ids]));
  }

  /** The tokens of a greedy answer; the end token, where it was said, is the last. */
  async greedy(tokens: VisualTokens, asked: AskedLlava): Promise<number[]> {
    const { texts } = await this.write(asked, tokens.tiles);
    const [count] = tokens.shape;
    const side = this.squareSide;
    const grid = side === undefined ? undefined : squaresOf(tokens.grid, side, count, 'the fixture');
    const visual = { data: tokens.data, count, grid };
    const rows = [];
    for (const ids of texts) rows.push(await this.embedding.rows(ids));
    const prompt = promptRows(rows, visual, this.embedding.width);
    const next = await this.decoder.read(this.told ? prompt : { ...prompt, visual: undefined });
    const sample = makeSampler({ temperature: 0, topK: 0, topP: 1, seed: 0 });
    const said: number[] = [];
    while (said.length < NEW_TOKENS && !this.ends.includes(said.at(-1) ?? -1))
      said.push(sample(await next(said.at(-1))));
    return said;
  }

  /** Its decoder no longer hears which rows are the picture's. */
  tellNothing(): void {
    this.told = false;
  }

  private write(asked: AskedLlava, tiles: VisualTokens['tiles']): Promise<Prompt> {
    return this.prompt.write({ text: asked.question, maxTokens: undefined }, framingOf(asked), tiles);
  }

  async close(): Promise<void> {
    if (this.prompt instanceof ChatPrompt) await this.prompt.close();
  }
}
