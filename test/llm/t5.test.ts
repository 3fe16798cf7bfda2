/** The T5 that qavit computes itself, against transformers and against the same weights as ONNX files. */
import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadAddon } from '../../lib/binding/load';
import { JsonFields } from '../../lib/json-fields';
import type { LanguageModel, QuestionEncoding } from '../../lib/llm/language-model';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { readT5Config } from '../../lib/llm/t5/config';
import { bucketOf, type Buckets } from '../../lib/llm/t5/relative-bias';
import { T5Answer, T5Answers } from '../../lib/llm/t5/t5-answer';
import { T5Engine } from '../../lib/llm/t5/t5-engine';
import { openT5 } from '../../lib/llm/t5/t5-model';
import { TensorFolder } from '../../lib/weights';
import { turnsDuring } from '../support/event-loop';
import { expectRejection } from '../support/expect-error';
import { fixture } from '../support/paths';
import { readSafetensors } from '../support/safetensors';
import { f32, type TensorToWrite, writeSafetensors } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';
import { collect, copyFolder, folderOf, readExpected, someTokens, tensorsOf, visualOf, type Form } from './support';
import { itAgreesWithTransformers } from './t5-agreement';

const KINDS = ['t5-plain', 't5-gated', 't5-tied'] as const;
const HOW: QuestionEncoding = { features: 'encoder', normalization: 'none', maxTokens: 64 };
const ENDLESS = { 'generation_config.json': { eos_token_id: [] } };

describe('T5', () => {
  const at = temporaryFolder();
  const load = (dir: string) => loadLanguageModel(dir, { dtype: 'f32' });

  for (const form of KINDS) {
    describe(form, () => {
      const expected = readExpected(form);
      let model: LanguageModel;
      before(async () => {
        model = await load(folderOf(form));
      });
      after(() => model.close());

      it('knows itself', () => {
        const info = {
          kind: 'encoder-decoder',
          width: 32,
          questionWidth: 32,
          vocabularySize: 56,
          answersTogether: 16,
        };
        expect(model.info).to.deep.equal({ path: folderOf(form), ...info });
      });

      for (const answer of expected.cases) {
        it(`answers from ${answer.rows} visual tokens as transformers does, in pieces`, async () => {
          const pieces = await collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 });
          expect(pieces.join('')).to.equal(answer.text);
          expect(pieces.length).to.be.within(3, answer.tokens.length);
          expect(pieces).to.not.include('');
        });
      }

      itAgreesWithTransformers(
        expected,
        () => model,
        () => loadLanguageModel(folderOf(form), { dtype: 'bf16' }),
      );
    });
  }

  it('scales logits where the transformers that wrote the folder does', async () => {
    const cases: [fields: object, scaled: boolean][] = [
      [{ model_type: 't5' }, true],
      [{ model_type: 't5', tie_word_embeddings: false, transformers_version: '4.23.1' }, false],
      [{ model_type: 't5', tie_word_embeddings: true, scale_decoder_outputs: false }, false],
      // As published, and as MT5ForConditionalGeneration.save_pretrained of 5 and of 4 write them.
      [{ model_type: 'mt5', tie_word_embeddings: false, transformers_version: '4.10.0.dev0' }, false],
      [{ model_type: 'mt5', tie_word_embeddings: true, transformers_version: '5.17.0' }, false],
      [{ model_type: 'mt5', tie_word_embeddings: true, transformers_version: '4.57.1' }, true],
      [{ model_type: 'mt5', tie_word_embeddings: true }, false],
      [{ model_type: 'mt5', transformers_version: '4.57.1' }, false],
      [{ model_type: 'mt5', tie_word_embeddings: true, scale_decoder_outputs: true }, true],
    ];
    const sizes = { vocab_size: 56, d_model: 16, d_kv: 8, d_ff: 32, num_heads: 2, num_layers: 2 };
    for (const [i, [fields, scaled]] of cases.entries()) {
      const file = at(`scale-${i}.json`);
      writeFileSync(file, JSON.stringify({ ...sizes, ...fields }));
      expect(readT5Config(await JsonFields.read(file)).scale, JSON.stringify(fields)).to.equal(scaled ? 0.25 : 1);
    }
  });

  it('sorts distances into the buckets of transformers', () => {
    const rows = JSON.parse(readFileSync(fixture('language', 't5-buckets.json'), 'utf8')) as (Buckets & {
      wanted: number[];
    })[];
    expect(rows).to.have.length(6);
    for (const { wanted, ...how } of rows) {
      const found = wanted.map((_, i) => bucketOf(i - how.maxDistance - 2, how));
      expect(found, JSON.stringify(how)).to.deep.equal(wanted);
    }
  });

  it('says the same as its ONNX files, far beyond the first cache and behind a prompt', async () => {
    const image = { prompt_template: 'the▁red {question} is', image_token_index: redOf('t5-plain') };
    for (const config of [{}, image]) {
      const changes = { ...ENDLESS, 'config.json': config };
      const name = Object.keys(config).length > 0 ? 'prompt' : 'plain';
      const own = await load(copyFolder('t5-plain', at(`${name}-own`), changes));
      const onnx = await loadLanguageModel(copyFolder('t5-tiny', at(`${name}-onnx`), changes));
      const options = { maxNewTokens: 150 };
      const wanted = (await collect(onnx, someTokens(40), 'what is on', options)).join('');
      expect((await collect(own, someTokens(40), 'what is on', options)).join('')).to.equal(wanted);
      expect(wanted.length).to.be.greaterThan(100);
      await Promise.all([own.close(), onnx.close()]);
    }
  });

  it('starts with the padding token where no file names a start', async () => {
    const unnamed = { decoder_start_token_id: undefined, bos_token_id: undefined };
    const answer = async (name: string, config: object, generation: object) => {
      const changes = { 'config.json': config, 'generation_config.json': generation };
      const model = await load(copyFolder('t5-plain', at(name), changes));
      const said = await collect(model, someTokens(), 'what?', { maxNewTokens: 12 });
      await model.close();
      return said.join('');
    };
    const padded = await answer('padding', { ...unnamed, pad_token_id: 9 }, unnamed);
    expect(padded).to.equal(await answer('named', {}, { ...unnamed, decoder_start_token_id: 9 }));
    expect(padded).to.not.equal(await answer('neither', { ...unnamed, pad_token_id: undefined }, unnamed));
  });

  it('draws as its ONNX files do', async () => {
    const [own, onnx] = [await load(folderOf('t5-plain')), await loadLanguageModel(folderOf('t5-tiny'))];
    for (const how of [{ topP: 0.9 }, { topK: 3 }]) {
      for (const seed of [1, 2, 3]) {
        const options = { temperature: 1.5, seed, ...how };
        const wanted = await collect(onnx, someTokens(), 'what?', options);
        expect((await collect(own, someTokens(), 'what?', options)).join('')).to.equal(wanted.join(''));
      }
    }
    await Promise.all([own.close(), onnx.close()]);
  });

  it('reads questions for the tower by a table of their own, where there is one', async () => {
    const dir = copyFolder('t5-plain', at('tables'));
    const all = tensorsOf(dir);
    const other = numbersOf(dir, 'shared.weight').reverse();
    const table: TensorToWrite = f32([56, 32], other);
    writeSafetensors(path.join(dir, 'model.safetensors'), { ...all, 'instruction_embedder.weight': table });
    const [two, one] = [await load(dir), await load(folderOf('t5-plain'))];
    const [answer] = readExpected('t5-plain').cases;
    const embedding = { ...HOW, features: 'embedding' as const };
    const ids = (await one.encodeQuestion('what?', embedding)).data;
    const found = (await two.encodeQuestion('what?', embedding)).data;
    expect(found).to.have.length(ids.length);
    expect(found).to.not.deep.equal(ids);
    for (let row = 0; row < found.length; row += 32) {
      const start = other.findIndex(
        (_, i) => i % 32 === 0 && other[i] === found[row] && other[i + 1] === found[row + 1],
      );
      expect(found.subarray(row, row + 32)).to.deep.equal(other.subarray(start, start + 32));
    }
    const text = (await collect(two, visualOf(answer!), answer!.question, { maxNewTokens: 24 })).join('');
    expect(text, 'the text that is answered').to.equal(answer!.text);
    await Promise.all([two.close(), one.close()]);
  });

  it('holds the table of words once, unless questions have one of their own', async () => {
    const dir = copyFolder('t5-plain', at('own-table'));
    const table = f32([56, 32], numbersOf(dir, 'shared.weight'));
    const tensors = { ...tensorsOf(dir), 'instruction_embedder.weight': table };
    writeSafetensors(path.join(dir, 'model.safetensors'), tensors);
    const [one, two] = [await openEngine(folderOf('t5-plain')), await openEngine(dir)];
    expect(two.device.memory.weightBytes - one.device.memory.weightBytes).to.equal(56 * 32 * 4);
    await Promise.all([one.device.close(), two.device.close()]);
  });

  it('holds no more after many answers than after one', async () => {
    const engine = await openEngine(folderOf('t5-gated'));
    const { device } = engine;
    const { signal } = new AbortController();
    const visual = someTokens(9).data;
    const answer = async () => {
      const said = new T5Answer(
        new T5Answers(engine),
        await engine.read({ before: [], visual, after: [5, 1] }, signal),
      );
      for (let token = 0; token < 70; token++) await said.next(token % 50, signal);
      expect(device.memory.tensorBytes).to.be.greaterThan(128 * 64 * 4);
      said.dispose();
      return device.memory;
    };
    const once = await answer();
    expect(once.tensorBytes).to.equal(0);
    for (let i = 0; i < 20; i++) expect(await answer()).to.deep.equal(once);
    await device.close();
  });

  describe('lifetime', () => {
    let model: LanguageModel;
    beforeEach(async () => {
      model = await load(copyFolder('t5-plain', at(`endless-${Math.random()}`), ENDLESS));
    });
    afterEach(() => model.close());
    const generate = (signal?: AbortSignal) =>
      model.generate(someTokens(), 'what shape?', { maxNewTokens: 1e6, signal })[Symbol.asyncIterator]();

    it('stops before anything has begun, and between two tokens', async () => {
      await expectRejection(generate(AbortSignal.abort()).next(), 'ERR_ABORTED');
      await expectRejection(model.encodeQuestion('a', HOW, { signal: AbortSignal.abort() }), 'ERR_ABORTED');
      const controller = new AbortController();
      const pieces = generate(controller.signal);
      await pieces.next();
      const reason = new Error('enough');
      controller.abort(reason);
      const error: unknown = await pieces.next().catch((failure: unknown) => failure);
      expect(error).to.include({ code: 'ERR_ABORTED', cause: reason });
      expect(await pieces.next()).to.deep.equal({ done: true, value: undefined });
      expect(await collect(model, someTokens(), 'what shape?')).to.not.have.length(0);
      const late = new AbortController();
      const only = model.generate(someTokens(), 'what shape?', { maxNewTokens: 1, signal: late.signal });
      await only.next();
      late.abort();
      await expectRejection(only.next(), 'ERR_ABORTED');
    });

    it('leaves no listener behind', async () => {
      const { signal } = new AbortController();
      const pieces = generate(signal);
      await pieces.next();
      expect(getEventListeners(signal, 'abort')).to.have.length(1);
      await pieces.return?.();
      await model.encodeQuestion('a', HOW, { signal });
      expect(getEventListeners(signal, 'abort')).to.have.length(0);
    });

    it('ends what runs when it is closed, and refuses what comes later', async () => {
      const [first, second] = [generate(), generate()];
      await first.next();
      const waiting = second.next();
      waiting.catch(() => undefined);
      await Promise.all([model.close(), model.close()]);
      await expectRejection(waiting, 'ERR_ABORTED');
      await expectRejection(first.next(), 'ERR_ABORTED');
      await expectRejection(generate().next(), 'ERR_ARGUMENT', /^Expected an open model for generate/);
      await expectRejection(model.encodeQuestion('a', HOW), 'ERR_ARGUMENT', /^Expected an open model/);
    });

    it('leaves the event loop alone, and does not let a caller change an answer under way', async () => {
      const mine = someTokens(1500);
      const wanted = await collect(model, mine, 'what shape?', { maxNewTokens: 4 });
      const pieces = collect(model, mine, 'what shape?', { maxNewTokens: 4 });
      mine.data.fill(0);
      expect(await turnsDuring(pieces)).to.be.greaterThan(30);
      expect(await pieces).to.deep.equal(wanted);
    });

    it('checks arguments', async () => {
      const wrong = { data: new Float32Array(64), shape: [1, 64] as [number, number] };
      await expectRejection(collect(model, wrong, 'a'), 'ERR_SHAPE', /E = 32\]/);
      await expectRejection(collect(model, someTokens(), 'a', { maxNewTokens: 0 }), 'ERR_ARGUMENT', /maxNewTokens/);
      await expectRejection(model.encodeQuestion('  ', HOW), 'ERR_ARGUMENT', /^Expected text/);
      const message = /^Expected at most 4096 tokens for the question of a T5 but received \d+$/;
      const behind = { prompt_template: '{question}▁red', image_token_index: redOf('t5-plain') };
      const before = await load(copyFolder('t5-plain', at('before'), { 'config.json': behind }));
      const long = 'what shape '.repeat(5000);
      await expectRejection(collect(before, someTokens(), long), 'ERR_ARGUMENT', message);
      await before.close();
      await expectRejection(collect(model, someTokens(), long), 'ERR_ARGUMENT', message);
      await expectRejection(model.encodeQuestion(long, { ...HOW, maxTokens: 4097 }), 'ERR_ARGUMENT', message);
      await expectRejection(
        loadLanguageModel(folderOf('t5-plain'), { dtype: 'f16' as 'f32' }),
        'ERR_ARGUMENT',
        /dtype/,
      );
    });
  });
});

/** With all its parameters on a device of its own. */
async function openEngine(dir: string): Promise<T5Engine> {
  const device = new (loadAddon().Device)({ kind: 'cpu', threads: 1 });
  const weights = await TensorFolder.open(dir);
  const config = readT5Config(await JsonFields.read(path.join(dir, 'config.json')));
  const engine = new T5Engine(device, openT5(config, weights), 'f32');
  await engine.prepare();
  weights.close();
  return engine;
}

function numbersOf(dir: string, name: string): Float32Array {
  return Float32Array.from(readSafetensors(path.join(dir, 'model.safetensors')).get(name)!.data);
}

/** The id of the token ▁red. */
function redOf(form: Form): number {
  const { model } = JSON.parse(readFileSync(path.join(folderOf(form), 'tokenizer.json'), 'utf8')) as {
    model: { vocab: [string, number][] };
  };
  return model.vocab.findIndex(([piece]) => piece === '▁red');
}
