import { expect } from 'chai';
import childProcess from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type AskOptions, type LoadOptions, QAViT } from '../../lib';
import { expectRejection } from '../support/expect-error';
import { fixture } from '../support/paths';
import { noise } from '../support/pictures';
import { type RandomModelOptions, writeJson, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const image = noise(32);
/** Both language models of the fixtures are 32 wide. */
const WIDTHS = { questionWidth: 32, languageWidth: 32 };

async function answer(model: QAViT, question: string, options?: AskOptions): Promise<string> {
  let text = '';
  for await (const piece of model.ask(image, question, options)) text += piece;
  return text;
}

/** The processes that `work` began. */
async function forking(work: () => Promise<void>): Promise<childProcess.ChildProcess[]> {
  const { fork } = childProcess;
  const children: childProcess.ChildProcess[] = [];
  childProcess.fork = ((...of: Parameters<typeof fork>) => {
    const child = fork(...of);
    children.push(child);
    return child;
  }) as typeof fork;
  try {
    await work();
  } finally {
    childProcess.fork = fork;
  }
  return children;
}

describe('ask', () => {
  const at = temporaryFolder();

  const folders = (language: string, options: RandomModelOptions = {}) => ({
    ...writeRandomModel(at('model'), { ...WIDTHS, ...options }),
    language: fixture('language', language),
  });
  const embedding = { question: { features: 'embedding', normalization: 'none', max_tokens: 8 } };

  it('counts as a call until its last piece is taken', async () => {
    await using model = await QAViT.load(folders('t5-tiny'), { maxPending: 1 });
    for await (const piece of model.ask(image, 'what?', { maxNewTokens: 3 })) {
      expect(piece).to.be.a('string');
      await expectRejection(model.encode(image, null), 'ERR_BUSY');
    }
    expect((await model.encode(image, null)).shape).to.have.length(2);
  });

  for (const [language, adapterConfig] of [
    ['t5-tiny', {}],
    ['llama-tiny', embedding],
  ] as const) {
    it(`answers in pieces with ${language}`, async () => {
      await using model = await QAViT.load(folders(language, { adapterConfig }));
      expect(model.info.language).to.include({ width: 32, questionWidth: 32 });
      const text = await answer(model, 'what digit is on the red square?', { maxNewTokens: 12 });
      expect(text).to.equal(await answer(model, 'what digit is on the red square?', { maxNewTokens: 12 }));
      using seen = await model.look(image);
      let again = '';
      for await (const piece of model.ask(seen, 'what digit is on the red square?', { maxNewTokens: 12 }))
        again += piece;
      expect(again).to.equal(text);
    });
  }

  it('reads its picture when the first piece is asked for', async () => {
    await using model = await QAViT.load(folders('t5-tiny'));
    const question = 'what digit is on the red square?';
    const wanted = await answer(model, question, { maxNewTokens: 12 });
    const frame = noise(32);
    const pieces = model.ask(frame, question, { maxNewTokens: 12 });
    const first = pieces.next();
    frame.data.fill(0);
    const { value } = await first;
    let text = typeof value === 'string' ? value : '';
    for await (const piece of pieces) text += piece;
    expect(text).to.equal(wanted);
    frame.data.set(noise(32).data.map((value) => 255 - value));
    let other = '';
    for await (const piece of model.ask(frame, question, { maxNewTokens: 12 })) other += piece;
    expect(other, 'another picture').to.not.equal(wanted);
  });

  it('computes a T5 where languageDevice says, and refuses a GPU for what is none', async () => {
    const t5 = folders('t5-plain');
    const answers = await Promise.all(
      ([undefined, 'reference'] as const).map(async (languageDevice) => {
        await using model = await QAViT.load(t5, { device: 'cpu', dtype: 'f32', languageDevice });
        expect(model.info.device.kind).to.equal('cpu');
        return await answer(model, 'what digit is on the red square?', { maxNewTokens: 12 });
      }),
    );
    expect(answers[1]).to.equal(answers[0]);
    const refuse = (
      place: ReturnType<typeof folders>,
      languageDevice: LoadOptions['languageDevice'],
      message: RegExp,
    ) => expectRejection(QAViT.load(place, { device: 'cpu', languageDevice }), 'ERR_UNSUPPORTED', message);
    await refuse(t5, 'cuda:999', /for device cuda:999 /);
    await refuse(folders('t5-tiny'), 'cuda', /^Expected the folder of a T5 .* for languageDevice cuda .*t5-tiny$/);
    const server = 'http://127.0.0.1:9/v1#model';
    await refuse({ ...t5, language: server }, 'cuda', /for languageDevice cuda but received a server$/);
  });

  it('takes questions in words wherever a question is taken', async () => {
    await using model = await QAViT.load(folders('t5-tiny'));
    const one = await model.encode(image, 'what digit is on the red square?');
    const other = await model.encode(image, 'how many circles are there?');
    expect(one.shape).to.deep.equal([17, 32]);
    expect(one.data).to.not.deep.equal(other.data);
    const batch = await model.encodeBatch([
      { image, question: 'how many circles are there?' },
      { image, question: 'what digit is on the red square?' },
    ]);
    expect(batch.map(({ key }) => key)).to.deep.equal([other.key, one.key]);
    const questions = ['how many circles are there?', null, 'x'.repeat(2 ** 16 + 1)];
    const tooLong = model.encodeBatch(questions.map((question) => ({ image, question })));
    await expectRejection(tooLong, 'ERR_ARGUMENT', /at most 65536 characters .* \(items\[2\]\)$/);
    const maps = await model.attend(image, 'what digit is on the red square?');
    expect(maps.layers[0]!.attention.shape[1]).to.be.within(2, 30);
  });

  it('answers from a tower without an adapter', async () => {
    const { tower, language } = folders('llama-tiny', { width: 32 });
    await using model = await QAViT.load({ tower, language });
    expect(await answer(model, 'what?', { maxNewTokens: 4 })).to.be.a('string');
  });

  it('stops when the loop is left or the signal fires', async () => {
    await using model = await QAViT.load(folders('llama-tiny', { adapterConfig: embedding }));
    for await (const piece of model.ask(image, 'what?', { maxNewTokens: 400 })) {
      expect(piece).to.be.a('string');
      break;
    }
    const controller = new AbortController();
    const pieces = model.ask(image, 'what?', { maxNewTokens: 400, signal: controller.signal });
    await pieces.next();
    controller.abort(new Error('enough'));
    await expectRejection(pieces.next(), 'ERR_ABORTED', /completion for ask but received enough/);
    await expectRejection(answer(model, 'what?', { signal: AbortSignal.abort() }), 'ERR_ABORTED');
    expect(model.info.memory.tensorBytes).to.equal(0);
  });

  it('ends with the model', async () => {
    const model = await QAViT.load(folders('llama-tiny', { adapterConfig: embedding }));
    const pieces = model.ask(image, 'what?', { maxNewTokens: 400 });
    await pieces.next();
    await model.close();
    await expectRejection(pieces.next(), 'ERR_ABORTED', /completion for ask/);
    await expectRejection(answer(model, 'what?'), 'ERR_ARGUMENT', /an open model for ask/);
  });

  it('refuses wrong arguments', async () => {
    await using model = await QAViT.load(folders('t5-tiny'));
    const refuse = (question: unknown, options: object, message: RegExp) =>
      expectRejection(answer(model, question as string, options), 'ERR_ARGUMENT', message);
    await refuse(5, {}, /a string for question of ask/);
    await refuse(null, {}, /a string for question of ask/);
    await refuse('', {}, /question/);
    await refuse('what?', { maxNewToken: 3 }, /did you mean maxNewTokens\?/);
    await refuse('what?', { maxNewTokens: 0 }, /maxNewTokens/);
    await refuse('what?', { temperature: -1 }, /temperature/);
    await refuse('what?', { question: {} }, /"question"/);
  });

  it('refuses a language model that does not belong to the rest', async () => {
    const wide = folders('t5-tiny', { languageWidth: 40 });
    await expectRejection(
      QAViT.load(wide),
      'ERR_SHAPE',
      /width E = 40, as the projector gives, for language model .* 32/,
    );
    const other = folders('t5-tiny', { questionWidth: 24 });
    await expectRejection(QAViT.load(other), 'ERR_SHAPE', /question width Dq = 24, as the adapter takes, .* 32/);
    await expectRejection(QAViT.load({ ...folders('t5-tiny'), language: at('model', 'tower') }), 'ERR_FORMAT');
  });

  it('leaves no process where the language model, or what reads the questions, does not fit', async () => {
    const children = await forking(async () => {
      await expectRejection(QAViT.load(folders('t5-tiny', { languageWidth: 40 })), 'ERR_SHAPE');
      const questions = fixture('language', 'llama-tiny');
      await expectRejection(QAViT.load({ ...folders('t5-tiny', { questionWidth: 24 }), questions }), 'ERR_SHAPE');
    });
    expect(children.map(({ signalCode }) => signalCode)).to.deep.equal(['SIGKILL', 'SIGKILL', 'SIGKILL']);
  });

  it('of a model that was forgotten ends its process', async () => {
    const children = await forking(async () => void (await QAViT.load(folders('t5-tiny'))));
    expect(children).to.have.length(1);
    for (let i = 0; i < 200 && children[0]!.exitCode === null && children[0]!.signalCode === null; i += 1) {
      collectGarbage();
      await sleep(25);
    }
    expect(children[0]!.exitCode ?? children[0]!.signalCode).to.not.equal(null);
  });

  it('of a model of which the stages alone are kept goes on', async () => {
    const { stages } = await QAViT.load(folders('t5-tiny'));
    for (let i = 0; i < 10; i += 1) {
      collectGarbage();
      await sleep(5);
    }
    const features = await stages.listen('a question');
    expect(features.shape[1]).to.equal(32);
    const [looked] = await stages.look([await stages.prepare(noise(32))]);
    expect(looked!.bytes).to.be.above(0);
    looked!.dispose();
  });

  it('is loaded with a combined folder', async () => {
    const { language = '' } = folders('t5-tiny');
    const { cpSync } = await import('node:fs');
    cpSync(language, at('model', 'language'), { recursive: true });
    writeJson(at('model', 'config.json'), {
      model_type: 'qavit',
      tower: 'tower',
      adapter: 'adapter',
      language: 'language',
    });
    await using model = await QAViT.load(at('model'));
    expect(model.info.language?.kind).to.equal('encoder-decoder');
  });
});

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
