/** Words to rows, from the folder of a model that is computed elsewhere. */
import { expect } from 'chai';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { mock } from 'node:test';
import { loadQuestionReader } from '../../lib/llm/load-question-reader';
import type { QuestionEncoding } from '../../lib/llm/language-model';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { splitAtImage } from '../../lib/llm/prompt';
import { TextRows } from '../../lib/llm/text-rows';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { TensorFolder } from '../../lib/weights';
import { StoredTensor } from '../../lib/weights/stored-tensor';
import { toBf16, fromBf16 } from '../support/bf16';
import { expectRejection, expectThrow } from '../support/expect-error';
import { writeJson } from '../support/random-model';
import { floats, random } from '../support/random';
import { f32, type TensorToWrite, writeSafetensors } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';
import { addToken, folderOf, someTokens } from './support';

const HOW: QuestionEncoding = { features: 'embedding', normalization: 'none', maxTokens: 64 };
const VOCABULARY = 300;
const table = floats(random(9), VOCABULARY * 32);
const QUESTION = 'what digit is on the red square?';

describe('rows of text', () => {
  const at = temporaryFolder();

  /** The tiny Llama's folder as it would be published: the table in safetensors, no ONNX files. */
  function llama(name: string, config: object = {}, tensors?: Record<string, TensorToWrite>): string {
    const dir = at(name);
    mkdirSync(dir, { recursive: true });
    cpSync(path.join(folderOf('llama-tiny'), 'tokenizer.json'), path.join(dir, 'tokenizer.json'));
    const read = JSON.parse(readFileSync(path.join(folderOf('llama-tiny'), 'config.json'), 'utf8')) as object;
    writeJson(path.join(dir, 'config.json'), { ...read, ...config });
    const all = tensors ?? { 'model.embed_tokens.weight': f32([VOCABULARY, 32], table) };
    writeSafetensors(path.join(dir, 'model.safetensors'), {
      ...all,
      'model.norm.weight': f32([32], new Float32Array(32)),
    });
    return dir;
  }

  const rowsOf = async (dir: string, text: string, numbers = table): Promise<Float32Array> => {
    const ids = await (await TextTokenizer.load(path.join(dir, 'tokenizer.json'))).encode(text);
    return Float32Array.from(ids.flatMap((id) => [...numbers.subarray(id * 32, id * 32 + 32)]));
  };

  it('are those of the table', async () => {
    const dir = llama('plain');
    const text = await TextRows.open(dir);
    expect(text.info).to.deep.equal({ path: dir, questionWidth: 32 });
    const { data, shape } = await text.encodeQuestion(QUESTION, HOW);
    expect(data).to.deep.equal(await rowsOf(dir, QUESTION));
    expect(shape).to.deep.equal([data.length / 32, 32]);
    const cut = await text.encodeQuestion(QUESTION, { ...HOW, maxTokens: 4 });
    expect(cut.shape).to.deep.equal([4, 32]);
    expect(cut.data).to.deep.equal(data.slice(0, 4 * 32));
    await text.close();
  });

  it('are found under the names of other families, in bf16 too', async () => {
    const bits = toBf16(table);
    const narrow = { dtype: 'BF16', shape: [VOCABULARY, 32], bytes: new Uint8Array(bits.buffer) };
    for (const name of [
      'language_model.model.embed_tokens.weight',
      'transformer.wte.weight',
      'gpt_neox.embed_in.weight',
    ]) {
      const text = await TextRows.open(llama(name, {}, { [name]: narrow }));
      const { data } = await text.encodeQuestion(QUESTION, HOW);
      expect(data, name).to.deep.equal(await rowsOf(text.info.path, QUESTION, fromBf16(bits)));
      await text.close();
    }
  });

  it('are those of the model where parts of it have tables of their own', async () => {
    const other = f32([VOCABULARY, 32], new Float32Array(VOCABULARY * 32));
    const shared = f32([VOCABULARY, 32], table);
    const text = await TextRows.open(
      llama('parts', {}, { 'decoder.embed_tokens.weight': other, 'shared.weight': shared }),
    );
    expect((await text.encodeQuestion(QUESTION, HOW)).data).to.deep.equal(await rowsOf(text.info.path, QUESTION));
    await text.close();
  });

  it('need of the shards that one alone which holds the table', async () => {
    const dir = llama('sharded');
    const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    renameSync(path.join(dir, 'model.safetensors'), path.join(dir, first));
    const weight_map = { 'model.embed_tokens.weight': first, 'lm_head.weight': second };
    writeJson(path.join(dir, 'model.safetensors.index.json'), { weight_map });
    const text = await TextRows.open(dir);
    const { data } = await text.encodeQuestion(QUESTION, HOW);
    expect(data).to.deep.equal(await rowsOf(dir, QUESTION));
    await text.close();
  });

  it('surround the visual tokens as the prompt template says, as the model itself reads them', async () => {
    const config = { prompt_template: 'is <image> the {question} one?' };
    const dir = llama('prompt', config);
    const text = await TextRows.open(dir);
    const visual = someTokens(3);
    // The second is what String.replace() takes for a pattern.
    for (const asked of ['red', "$& $' $1"]) {
      const { data, shape } = await text.promptRows(visual, { text: asked, maxTokens: undefined });
      const [first, rest] = [await rowsOf(dir, 'is '), (await rowsOf(dir, ` the ${asked} one?`)).slice(32)]; // the rest without <s>
      expect(data).to.deep.equal(Float32Array.of(...first, ...visual.data, ...rest));
      expect(shape).to.deep.equal([data.length / 32, 32]);
    }
    await text.close();
  });

  it('are not those behind the end of the table', async () => {
    const dir = llama('beyond');
    addToken(dir, { id: VOCABULARY, content: 'zebra' });
    const text = await TextRows.open(dir);
    const message = /^Expected token ids below 300 for .*tokenizer\.json but received 300$/;
    await expectRejection(text.encodeQuestion('zebra', HOW), 'ERR_FORMAT', message);
    await text.close();
  });

  it('have one place for the visual tokens', () => {
    const split = (ids: readonly number[]) =>
      splitAtImage(ids, { token: 5, spelled: '<image>', places: 1 }, 'the prompt template');
    expect(split([1, 5, 2, 3])).to.deep.equal({ texts: [[1], [2, 3]] });
    for (const ids of [
      [1, 2],
      [5, 1, 5],
    ]) {
      expectThrow(() => split(ids), 'ERR_FORMAT', /one token <image> for the prompt template but received [02]$/);
    }
  });

  it('are read by whatever folder is given to read questions', async () => {
    const t5 = await loadQuestionReader(folderOf('t5-plain'));
    const whole = await loadLanguageModel(folderOf('t5-plain'));
    const encoder = { ...HOW, features: 'encoder' } as const;
    expect(await t5.encodeQuestion(QUESTION, encoder)).to.deep.equal(await whole.encodeQuestion(QUESTION, encoder));
    const onnx = await loadQuestionReader(folderOf('llama-tiny'));
    expect((await onnx.encodeQuestion(QUESTION, HOW)).shape[1]).to.equal(32);
    const rows = await loadQuestionReader(llama('reader'));
    expect(rows).to.be.instanceOf(TextRows);
    await Promise.all([t5.close(), whole.close(), onnx.close(), rows.close()]);
    const bare = at('graphs-within');
    cpSync(folderOf('llama-tiny'), bare, { recursive: true });
    mkdirSync(path.join(bare, 'onnx'));
    for (const name of readdirSync(bare).filter((each) => each.endsWith('.onnx'))) {
      renameSync(path.join(bare, name), path.join(bare, 'onnx', name));
    }
    const within = await loadQuestionReader(bare);
    expect((await within.encodeQuestion(QUESTION, HOW)).shape[1]).to.equal(32);
    await within.close();
    await expectRejection(loadQuestionReader(at('nowhere')), 'ERR_FORMAT', /config.json/);
  });

  it('are read once each', async () => {
    const text = await TextRows.open(llama('often'));
    const words = 'red what red red '.repeat(50);
    const wanted = await rowsOf(text.info.path, words);
    const read = mock.method(StoredTensor.prototype, 'read');
    try {
      const { data } = await text.encodeQuestion(words, { ...HOW, maxTokens: 1e4 });
      expect(data).to.deep.equal(wanted);
      expect(read.mock.callCount()).to.be.within(2, 20);
    } finally {
      read.mock.restore();
    }
    await text.close();
  });

  it('are no encoder', async () => {
    const text = await TextRows.open(llama('encoder'));
    await expectRejection(text.encodeQuestion('a', { ...HOW, features: 'encoder' }), 'ERR_UNSUPPORTED', /'embedding'/);
    await expectRejection(text.encodeQuestion('  ', HOW), 'ERR_ARGUMENT', /the question/);
    await text.close();
  });

  it('are refused where the model would change them, or the folder does not fit', async () => {
    const refuse = (
      name: string,
      code: 'ERR_UNSUPPORTED' | 'ERR_FORMAT' | 'ERR_SHAPE' | 'ERR_DTYPE',
      message: RegExp,
      ...how: [object?, Record<string, TensorToWrite>?]
    ) => expectRejection(TextRows.open(llama(name, ...how)), code, message);
    await refuse('gemma', 'ERR_UNSUPPORTED', /as they are for model_type .* "gemma3n"/, { model_type: 'gemma3n' });
    const plain = TextRows.open(llama('gemma', { model_type: 'gemma2' }), { plain: true });
    await expectRejection(plain, 'ERR_UNSUPPORTED', /as they are for model_type .* "gemma2"/);
    await refuse('granite', 'ERR_UNSUPPORTED', /1 for embedding_multiplier of .* 12$/, { embedding_multiplier: 12 });
    await refuse('minicpm', 'ERR_UNSUPPORTED', /scale_emb/, { scale_emb: 2 });
    const close = mock.method(TensorFolder.prototype, 'close');
    await refuse('none', 'ERR_FORMAT', /an embedding table/, {}, {});
    expect(close.mock.callCount()).to.equal(1);
    close.mock.restore();
    const deep = { 'model.embed_tokens.weight': f32([VOCABULARY, 32, 1], table) };
    await refuse('deep', 'ERR_SHAPE', /\[vocabulary, 32\] for .* received \[300, 32, 1\]/, {}, deep);
    await refuse(
      'narrow',
      'ERR_SHAPE',
      /\[vocabulary, 32\] .* \[300, 16\]$/,
      {},
      { 'embed_tokens.weight': f32([300, 16], new Float32Array(4800)) },
    );
    const short = llama('short', {}, { 'embed_tokens.weight': f32([3, 32], table.slice(0, 96)) });
    const text = await TextRows.open(short);
    await expectRejection(text.encodeQuestion(QUESTION, HOW), 'ERR_FORMAT', /token ids below 3 .*tokenizer.json/);
    await text.close();
    const largest = Math.max(
      ...(await (await TextTokenizer.load(path.join(short, 'tokenizer.json'))).encode(QUESTION)),
    );
    for (const rows of [largest, largest + 1]) {
      const dir = llama('exact', {}, { 'embed_tokens.weight': f32([rows, 32], table.slice(0, rows * 32)) });
      const exact = await TextRows.open(dir);
      const reading = exact.encodeQuestion(QUESTION, HOW);
      if (rows > largest) expect((await reading).data).to.deep.equal(await rowsOf(dir, QUESTION));
      else await expectRejection(reading, 'ERR_FORMAT', new RegExp(`below ${rows} .* received ${rows}$`));
      await exact.close();
    }
  });
});
