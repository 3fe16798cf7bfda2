/** A LLaVA's language half on the test's own thread, where its tokens can be seen: the fixtures are tiny. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { VisualTokens } from '../../lib';
import { readChatFiles } from '../../lib/llm/chat/chat-files';
import { ChatPrompt } from '../../lib/llm/chat/chat-prompt';
import { DecoderOnly } from '../../lib/llm/onnx/decoder-only';
import { Embedding } from '../../lib/llm/onnx/embedding';
import { joinRows } from '../../lib/llm/onnx/join-rows';
import { type OnnxDType, OnnxFolder } from '../../lib/llm/onnx/onnx-folder';
import { OnnxRuntime } from '../../lib/llm/onnx/onnx-runtime';
import { makeSampler } from '../../lib/llm/sampler';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { type AskedLlava, framingOf, NEW_TOKENS } from './llava';

interface Config {
  image_token_index: number;
  text_config: { vocab_size: number; hidden_size: number };
}

export class LlavaDecoder {
  private constructor(
    private readonly prompt: ChatPrompt,
    private readonly embedding: Embedding,
    private readonly decoder: DecoderOnly,
    private readonly ends: readonly number[],
  ) {}

  static async open(dir: string, dtype?: OnnxDType): Promise<LlavaDecoder> {
    const json = (name: string): unknown => JSON.parse(readFileSync(path.join(dir, name), 'utf8'));
    const { image_token_index: imageToken, text_config: text } = json('config.json') as Config;
    const { eos_token_id: ends } = json('generation_config.json') as { eos_token_id: number[] };
    const sizes = { vocabularySize: text.vocab_size, width: text.hidden_size, positions: undefined };
    const tokenizer = await TextTokenizer.load(path.join(dir, 'tokenizer.json'));
    const [runtime, files] = [await OnnxRuntime.start(1), await OnnxFolder.open(dir, dtype)];
    const embedding = await Embedding.open(runtime, files, sizes);
    const decoder = await DecoderOnly.open(runtime, files, embedding, sizes);
    const chat = await readChatFiles(dir);
    const prompt = await ChatPrompt.open(tokenizer, chat!, imageToken, '<image>');
    return new LlavaDecoder(prompt, embedding, decoder, ends);
  }

  /** The tokens of a greedy answer; the end token, where it was said, is the last. */
  async greedy(tokens: VisualTokens, asked: AskedLlava): Promise<number[]> {
    const { before, after } = await this.prompt.write({ text: asked.question, maxTokens: undefined }, framingOf(asked));
    const visual = { data: tokens.data, count: tokens.shape[0] };
    const parts = [await this.embedding.rows(before), visual, await this.embedding.rows(after)];
    const next = await this.decoder.read(joinRows(parts, this.embedding.width));
    const sample = makeSampler({ temperature: 0, topP: 1, seed: 0 });
    const said: number[] = [];
    while (said.length < NEW_TOKENS && !this.ends.includes(said.at(-1) ?? -1))
      said.push(sample(await next(said.at(-1))));
    return said;
  }

  close(): Promise<void> {
    return this.prompt.close();
  }
}
