import { expect } from 'chai';
import type { QAViTErrorCode } from '../../lib/errors';
import type { GenerateOptions, LanguageModel, QuestionEncoding, VisualTokens } from '../../lib/llm/language-model';
import { checkGenerate } from '../../lib/llm/checks';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { expectRejection } from '../support/expect-error';
import { collect, folderOf, someTokens } from './support';

const HOW: QuestionEncoding = { features: 'encoder', normalization: 'qa-vit', maxTokens: 30 };

describe('language model arguments', () => {
  let model: LanguageModel;
  before(async () => {
    model = await loadLanguageModel(folderOf('t5-tiny'));
  });
  after(() => model.close());

  const numbers = (count: number, change: (data: Float32Array) => void = () => {}) => {
    const data = new Float32Array(count);
    change(data);
    return data;
  };
  const tokens: [string, unknown, QAViTErrorCode, RegExp][] = [
    ['nothing', undefined, 'ERR_ARGUMENT', /for visual tokens but received undefined$/],
    ['bare numbers', numbers(64), 'ERR_ARGUMENT', /Float32Array/],
    ['doubles', { data: new Float64Array(64), shape: [2, 32] }, 'ERR_DTYPE', /Float64Array/],
    ['no shape', { data: numbers(64) }, 'ERR_SHAPE', /\[N, E\]/],
    ['one dimension', { data: numbers(64), shape: [64] }, 'ERR_SHAPE', /\[N, E\]/],
    ['half a row', { data: numbers(48), shape: [1.5, 32] }, 'ERR_SHAPE', /\[N, E\]/],
    ['no rows', { data: numbers(0), shape: [0, 32] }, 'ERR_SHAPE', /\[N, E\]/],
    ['another width', { data: numbers(64), shape: [1, 64] }, 'ERR_SHAPE', /E = 32\].*received \[1, 64\]$/],
    ['too few numbers', { data: numbers(63), shape: [2, 32] }, 'ERR_SHAPE', /64 numbers.*received 63$/],
    ['NaN', { data: numbers(64, (d) => (d[33] = NaN)), shape: [2, 32] }, 'ERR_ARGUMENT', /at 33 but received NaN$/],
    ['infinity', { data: numbers(64, (d) => (d[0] = -Infinity)), shape: [2, 32] }, 'ERR_ARGUMENT', /-Infinity$/],
    ['no name', { data: numbers(64), shape: [2, 32], key: '' }, 'ERR_ARGUMENT', /not empty for the key of .*""$/],
    ['tiles that are a number', { data: numbers(96), shape: [3, 32], tiles: 2 }, 'ERR_ARGUMENT', /\{ rows, columns \}/],
    ['no tiles', { data: numbers(96), shape: [3, 32], tiles: { rows: 0, columns: 2 } }, 'ERR_ARGUMENT', /the tiles of/],
    [
      'of a picture in tiles',
      { data: numbers(96), shape: [3, 32], tiles: { rows: 2, columns: 1 } },
      'ERR_UNSUPPORTED',
      /visual tokens of a whole picture for .*t5-tiny but received those of a picture in 2 x 1 tiles$/,
    ],
    ['a number for a name', { data: numbers(64), shape: [2, 32], key: 5 }, 'ERR_ARGUMENT', /the key of .* received 5$/],
  ];
  for (const [what, value, code, message] of tokens) {
    it(`are not visual tokens: ${what}`, () =>
      expectRejection(collect(model, value as VisualTokens, 'a'), code, message));
  }

  const options: [unknown, RegExp][] = [
    [{ maxTokens: 3 }, /"maxTokens"/],
    [{ maxNewTokens: 0 }, /maxNewTokens/],
    [{ maxNewTokens: 2.5 }, /maxNewTokens/],
    [{ maxNewTokens: 2 ** 40 }, /maxNewTokens/],
    [{ maxNewTokens: '3' }, /maxNewTokens/],
    [{ temperature: -1 }, /temperature/],
    [{ temperature: NaN }, /temperature/],
    [{ temperature: Infinity }, /temperature/],
    [{ topK: -1 }, /topK/],
    [{ topK: 0.5 }, /topK/],
    [{ topP: 0 }, /topP/],
    [{ topP: 1.01 }, /topP/],
    [{ seed: -1 }, /seed/],
    [{ seed: 0.5 }, /seed/],
    [{ signal: {} }, /AbortSignal/],
    [{ system: 5 }, /a string for option system/],
    [{ before: null }, /a string for option before/],
    [{ question: 'qa-vit' }, /question/],
    [{ question: { normalization: 'none', maxTokens: 0 } }, /maxTokens/],
    [{ question: { normalization: 'lower' } }, /normalization/],
    [{ question: { words: 5 } }, /"words"/],
    [5, /an object/],
    [null, /an object/],
  ];
  for (const [value, message] of options) {
    it(`are not options: ${JSON.stringify(value)}`, () =>
      expectRejection(collect(model, someTokens(), 'a', value as GenerateOptions), 'ERR_ARGUMENT', message));
  }

  for (const question of [undefined, null, 5, ['a'], {}]) {
    it(`are not a question: ${JSON.stringify(question)}`, async () => {
      await expectRejection(
        collect(model, someTokens(), question as string),
        'ERR_ARGUMENT',
        /a string for the question/,
      );
      await expectRejection(model.encodeQuestion(question as string, HOW), 'ERR_ARGUMENT', /a string for the question/);
    });
  }

  it('are no question of more than 65536 characters', async () => {
    const message = /^Expected at most 65536 characters for the question but received 65537$/;
    const question = 'a b'.padEnd(65537);
    await expectRejection(collect(model, someTokens(), question), 'ERR_ARGUMENT', message);
    await expectRejection(model.encodeQuestion(question, HOW), 'ERR_ARGUMENT', message);
    expect((await model.encodeQuestion(question.slice(1), HOW)).shape[0]).to.be.within(2, 30);
  });

  for (const question of ['', '   ', '\n\t', '!!! ... (:)']) {
    it(`leave nothing to listen to: ${JSON.stringify(question)}`, () =>
      expectRejection(model.encodeQuestion(question, HOW), 'ERR_ARGUMENT', /^Expected text/));
  }

  it('keep what only the normalisation takes away', async () => {
    const { shape } = await model.encodeQuestion('!!!', { ...HOW, normalization: 'none' });
    expect(shape[0]).to.be.greaterThan(1);
  });

  const encodings: [unknown, RegExp][] = [
    [undefined, /features for the question encoding but received undefined/],
    [{}, /features/],
    [{ ...HOW, features: 'decoder' }, /features/],
    [{ ...HOW, normalization: 'NFC' }, /normalization/],
    [{ ...HOW, normalization: undefined }, /normalization/],
    [{ ...HOW, maxTokens: 0 }, /maxTokens/],
    [{ ...HOW, max_tokens: 3 }, /"max_tokens" \(did you mean maxTokens\?\)/],
  ];
  for (const [value, message] of encodings) {
    it(`are not a question encoding: ${JSON.stringify(value)}`, () =>
      expectRejection(model.encodeQuestion('a', value as QuestionEncoding), 'ERR_ARGUMENT', message));
  }

  it('put words around a question only where there is a chat template', async () => {
    for (const form of ['t5-tiny', 't5-plain', 'llama-tiny'] as const) {
      const mute = await loadLanguageModel(folderOf(form));
      for (const framing of [{ system: 'yes.' }, { before: '' }]) {
        const message =
          /^Expected a language model with a chat template for option (system|before) but received .*(tiny|plain)$/;
        await expectRejection(collect(mute, someTokens(), 'a', framing), 'ERR_UNSUPPORTED', message);
      }
      await mute.close();
    }
  });

  it('choose among ONNX files only where there are some', async () => {
    const loading = loadLanguageModel(folderOf('t5-plain'), { onnxDType: 'q4' });
    await expectRejection(loading, 'ERR_ARGUMENT', /^Expected a folder with ONNX files for onnxDType q4 .*t5-plain"$/);
    const wrong = loadLanguageModel(folderOf('t5-tiny'), { onnxDType: 'q5' as 'q4' });
    await expectRejection(wrong, 'ERR_ARGUMENT', /one of auto, fp32, fp16, q8, .* for option onnxDType/);
  });

  it('ask a decoder-only model for its embedding only', async () => {
    const llama = await loadLanguageModel(folderOf('llama-tiny'));
    await expectRejection(llama.encodeQuestion('a', HOW), 'ERR_UNSUPPORTED', /^Expected 'embedding'/);
    await llama.close();
  });

  it('name no language model', async () => {
    for (const dir of ['', undefined, 5]) {
      await expectRejection(
        loadLanguageModel(dir as string),
        'ERR_ARGUMENT',
        /^Expected a path for the language model/,
      );
    }
    await expectRejection(loadLanguageModel('/no/such/folder'), 'ERR_ARGUMENT', /nothing at \/no\/such\/folder$/);
    await expectRejection(loadLanguageModel(__filename), 'ERR_ARGUMENT', /the file .*arguments\.test\.js$/);
    await expectRejection(loadLanguageModel(folderOf('t5-tiny'), { threads: 0 }), 'ERR_ARGUMENT', /threads/);
    await expectRejection(
      loadLanguageModel(folderOf('t5-tiny'), { engine: 'x' } as object),
      'ERR_ARGUMENT',
      /"engine"/,
    );
    await expectRejection(
      loadLanguageModel(folderOf('t5-plain'), { device: 'gpu' as 'cuda' }),
      'ERR_ARGUMENT',
      /^Expected auto, cpu, cuda or cuda:N for option device/,
    );
  });

  it('are the caller’s again at once: stop sequences', () => {
    const stop = ['one'];
    const settings = checkGenerate('what?', { stop });
    stop.push('two');
    expect(settings.stop).to.deep.equal(['one']);
  });
});
