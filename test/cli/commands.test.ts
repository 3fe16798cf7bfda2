import { expect } from 'chai';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { QAViT } from '../../lib';
import { measureQuestions } from '../../lib/cli/question-map';
import { fixture, root } from '../support/paths';
import { withSelector, writeRandomModel } from '../support/random-model';
import { square } from '../support/square';
import { mergingFolder } from '../support/vision-language';
import { readSafetensors } from '../support/safetensors';
import { readNpy } from './npy-reader';
import { runCli } from './run-cli';

const SAMPLES = path.join(root, 'models', 'demo', 'samples');
const PICTURE = path.join(SAMPLES, 'shapes.png');
const QUESTION = 'what digit is on the red square?';
const TOWER = fixture('towers', 'five-layers', 'tower');
const ADAPTER = fixture('towers', 'five-layers', 'adapters', 'late');

/** One line of JSON on standard output, nothing on standard error, success. */
async function jsonOf<T>(args: string[], cwd?: string): Promise<T> {
  const { code, stdout, stderr } = await runCli([...args, '--json'], { cwd });
  expect({ code, stderr }, stdout).to.deep.equal({ code: 0, stderr: '' });
  expect(stdout).to.match(/^[^\n]+\n$/);
  return JSON.parse(stdout) as T;
}

describe('cli commands', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'qavit-cli-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  describe('ask', () => {
    it('answers, on standard output alone, without control characters', async () => {
      const { code, stdout, stderr } = await runCli(['ask', PICTURE, QUESTION]);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      expect(stdout).to.match(/^[^\p{Cc}]+\n$/u);
    });

    it('gives the same answer with --json, from a pipe and from a file: URL, with timings', async () => {
      const { stdout } = await runCli(['ask', PICTURE, QUESTION]);
      const result = await jsonOf<{ answer: string; timings: Record<string, number> }>(['ask', PICTURE, QUESTION]);
      expect(result.answer).to.equal(stdout.trimEnd());
      expect(result).to.include({ image: PICTURE, question: QUESTION, finish: 'stop', device: 'cpu' });
      expect(await jsonOf(['ask', PICTURE, QUESTION, '--max-new-tokens', '1'])).to.include({ finish: 'length' });
      expect(result.timings).to.have.all.keys('loadMs', 'firstPieceMs', 'answerMs', 'totalMs');
      const piped = await runCli(['ask', '-', QUESTION], { input: readFileSync(PICTURE) });
      expect(piped).to.include({ code: 0, stdout });
      expect(await runCli(['ask', `file://${PICTURE}`, QUESTION])).to.include({ code: 0, stdout });
    });

    it('answers from the few tokens that the question is about', async () => {
      for (const [question, answer] of [
        [QUESTION, '8'],
        ['what letter is on the purple circle?', 'l'],
        ['what digit is on the orange star?', '4'],
      ] as const) {
        expect((await runCli(['ask', PICTURE, question, '--visual-tokens', '4'])).stdout).to.equal(`${answer}\n`);
      }
    });

    it('keeps the question from the tower, and ends an answer where a text appears', async () => {
      const asked = async (...args: string[]) =>
        (await jsonOf<{ answer: string; finish: string }>(['ask', PICTURE, QUESTION, ...args])).answer;
      // The demo's plain tower has lost the digits.
      expect([await asked(), await asked('--no-question-aware')]).to.deep.equal(['8', '9']);
      expect(await asked('--stop', 'x', '--stop', '8')).to.equal('');
      expect(await asked('--stop', 'x')).to.equal('8');
    });

    it('draws the same words from the same seed', async () => {
      const args = [
        'ask',
        PICTURE,
        QUESTION,
        '--temperature',
        '20',
        '--top-p',
        '0.9',
        '--max-new-tokens',
        '12',
        '--seed',
      ];
      const likeliest = await runCli([...args, '7', '--top-k', '1']);
      expect(likeliest.stdout).to.equal('8\n');
      const [first, again, other] = await Promise.all(['7', '7', '8'].map((seed) => runCli([...args, seed])));
      expect(first?.code).to.equal(0);
      expect(again?.stdout).to.equal(first?.stdout);
      expect(other?.stdout).not.to.equal(first?.stdout);
    });

    it('says what a file is that is no picture, and what a model lacks', async () => {
      const text = path.join(folder, 'text.jpg');
      writeFileSync(text, 'this is no picture');
      const broken = await runCli(['ask', text, QUESTION]);
      expect(broken.code).to.equal(1);
      expect(broken.stderr).to.match(/^qavit: Expected .* but received .*\nhint: .+\n$/);
      const mute = await runCli(['ask', PICTURE, QUESTION, '--tower', TOWER]);
      expect(mute.code).to.equal(1);
      expect(mute.stderr).to.match(/^qavit: Expected a model with a language model .*\nhint: .+\n$/);
    });
  });

  describe('encode', () => {
    interface Encoded {
      shape: [number, number];
      key: string;
      out: string;
    }

    it('writes the same tokens as .npy and as .safetensors', async () => {
      const npy = await jsonOf<Encoded>(['encode', PICTURE, QUESTION, '--out', path.join(folder, 'a.npy')]);
      const safe = await jsonOf<Encoded>(['encode', PICTURE, QUESTION, '--out', path.join(folder, 'a.safetensors')]);
      expect(safe.key).to.equal(npy.key);
      const fromNpy = readNpy(path.join(folder, 'a.npy'));
      const tensor = readSafetensors(path.join(folder, 'a.safetensors')).get('tokens');
      expect(fromNpy.shape).to.deep.equal(npy.shape);
      expect(tensor?.shape).to.deep.equal(npy.shape);
      expect(Array.from(tensor?.data ?? [])).to.deep.equal(Array.from(fromNpy.data));
      expect(fromNpy.data.every(Number.isFinite)).to.equal(true);
      expect(readdirSync(folder).filter((name) => name.includes('partial'))).to.deep.equal([]);
    });

    it('writes to where a link leads, and leaves permissions as they are', async function () {
      if (process.platform === 'win32') this.skip();
      const at = (name: string): string => path.join(folder, name);
      for (const name of ['real.npy', 'later.npy']) symlinkSync(name, at(`link-to-${name}`));
      writeFileSync(at('real.npy'), 'old');
      chmodSync(at('real.npy'), 0o640);
      for (const name of ['real.npy', 'later.npy']) {
        await jsonOf(['encode', PICTURE, '--out', at(`link-to-${name}`)]);
        expect(lstatSync(at(`link-to-${name}`)).isSymbolicLink(), name).to.equal(true);
        expect(readNpy(at(name)).shape).to.have.length(2);
      }
      expect(lstatSync(at('real.npy')).mode & 0o777).to.equal(0o640);
    });

    it('writes to a name as long as names can be, and to no longer one', async () => {
      const longest = `${'x'.repeat(251)}.npy`;
      await jsonOf(['encode', PICTURE, '--out', path.join(folder, longest)]);
      expect(readNpy(path.join(folder, longest)).shape).to.have.length(2);
      const refused = async (name: string) =>
        (await runCli(['encode', PICTURE, '--out', path.join(folder, name)])).stderr.split('\n')[0];
      expect(await refused(`x${longest}`)).to.match(/x\.npy": the name is too long$/);
      expect(await refused(path.join(longest, 'a.npy'))).to.match(/a\.npy": its folder is a file$/);
    });

    it('hears the question, and encodes plainly without one', async () => {
      const [asked, plain] = await Promise.all([
        jsonOf<Encoded>(['encode', PICTURE, QUESTION]),
        jsonOf<Encoded>(['encode', PICTURE]),
      ]);
      expect(asked.key).not.to.equal(plain.key);
      expect(await jsonOf<Encoded>(['encode', PICTURE, '--tower', TOWER])).to.include({ out: null, question: null });
    });

    it('hands over fewer tokens where the adapter rates them, and says which', async () => {
      const { tower, adapter } = writeRandomModel(folder, { adapter: withSelector });
      const model = ['--tower', tower, '--adapter', adapter];
      const out = path.join(folder, 'few.safetensors');
      const args = ['encode', PICTURE, ...model, '--visual-tokens', '3', '--out', out];
      const { shape, kept } = await jsonOf<Encoded & { kept: number[] }>(args);
      expect([shape, kept.length]).to.deep.equal([[3, 20], 3]);
      expect(readSafetensors(out).get('tokens')?.shape).to.deep.equal([3, 20]);
      expect(readFileSync(out, 'latin1')).to.include(`"kept":"${kept.join()}"`);
      expect(await jsonOf(['info', ...model, '--visual-tokens', '3'])).to.include({ N: 3, M: 17, selectsTokens: true });
      expect((await runCli(['info', ...model])).stdout).to.match(/N = 17 handed over \(--visual-tokens\)/);
      const plain = ['--tower', TOWER, '--adapter', ADAPTER];
      const { code, stderr } = await runCli(['encode', PICTURE, ...plain, '--visual-tokens', '3']);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^qavit: Expected an adapter with a token selector .* but received a model without\n/);
    });

    it('cuts a picture into tiles where asked to', async () => {
      const model = ['--tower', mergingFolder('internvl')];
      const out = path.join(folder, 'tiles.safetensors');
      const picture = path.join(folder, 'wide.png');
      await sharp(PICTURE).resize(72, 48, { fit: 'fill' }).toFile(picture);
      const asked = ['encode', picture, ...model, '--tiles', 'auto', '--out', out];
      const tiles = { rows: 2, columns: 3 };
      expect(await jsonOf<Encoded>(asked)).to.deep.include({ shape: [63, 32], tiles });
      expect(readSafetensors(out).get('tokens')?.shape).to.deep.equal([63, 32]);
      expect(readFileSync(out, 'latin1')).to.include('"tiles":"2x3"');
      const { stdout } = await runCli(asked);
      expect(stdout).to.match(/^tokens +63 × 32 f32, of 2 × 3 tiles and the whole$/m);
      expect(await jsonOf<Encoded>(['encode', picture, ...model])).to.deep.include({ shape: [9, 32] });
      const info = await runCli(['info', ...model, '--tiles', '4']);
      expect(info.stdout).to.match(/^tokens +M = 37 .*, N = 9 handed over, and those of up to 4 tiles$/m);
      const wrong = await runCli(['encode', picture, ...model, '--tiles', 'many']);
      expect([wrong.code, wrong.stderr]).to.satisfy(([code, text]: [number, string]) => {
        return code === 2 && text.includes('Expected a whole number from 0 to 100, or auto.');
      });
      const whole = await runCli(['encode', PICTURE, '--tower', TOWER, '--tiles', '4']);
      expect(whole.stderr).to.match(/^qavit: Expected 0 \(this model cuts no pictures into tiles\) for --tiles but/);
    });

    it('takes the state that is asked for, with the class token or without', async () => {
      const encoded = (...args: string[]) => jsonOf<Encoded>(['encode', PICTURE, QUESTION, ...args]);
      const [whole, patches, same, below] = await Promise.all([
        encoded(),
        encoded('--keep-class', 'no'),
        encoded('--keep-class', 'yes', '--hidden-layer', '-1'),
        encoded('--hidden-layer', '-2'),
      ]);
      expect([whole, patches, same, below].map(({ shape }) => shape[0])).to.deep.equal([65, 64, 65, 65]);
      expect(same.key).to.equal(whole.key);
      expect(new Set([whole, patches, below].map(({ key }) => key))).to.have.property('size', 3);
      const info = await jsonOf<object>(['info', '--hidden-layer', '4', '--keep-class', 'no']);
      expect(info).to.include({ N: 64, layersComputed: 4 });
    });

    it('says why it cannot write, and leaves nothing behind', async () => {
      const { code, stderr } = await runCli([
        'encode',
        PICTURE,
        '--tower',
        TOWER,
        '--out',
        path.join(folder, 'no', 'a.npy'),
      ]);
      expect(code).to.equal(1);
      expect(stderr).to.match(
        /^qavit: Expected a file that can be written .*the folder does not exist\nhint: looked in .*no\n$/,
      );
    });
  });

  describe('attend', () => {
    it('draws one question or two, named after the picture, with the answers', async () => {
      const { code, stdout } = await runCli(['attend', PICTURE, QUESTION, 'how many triangles are there?'], {
        cwd: folder,
      });
      expect(code).to.equal(0);
      expect(stdout)
        .to.match(/tanh\(beta\) = -?\d\.\d{3}/)
        .and.match(/written to +shapes\.attention\.png\n$/);
      const two = await sharp(path.join(folder, 'shapes.attention.png')).metadata();
      await runCli(['attend', PICTURE, QUESTION, '--out', 'one.png', '--no-answers'], { cwd: folder });
      const one = await sharp(path.join(folder, 'one.png')).metadata();
      expect([one.format, one.width, two.width]).to.deep.equal(['png', 1028, 1356]);
    });

    it('prints its numbers', async () => {
      interface Maps {
        grid: { rows: number; columns: number };
        gates: { layer: number; value: number }[];
        plain: number[];
        between?: number[];
        questions: {
          question: string;
          answer: string | null;
          change: number[];
          attention: number[];
          outlined?: number[];
        }[];
      }
      const out = path.join(folder, 'numbers.png');
      const maps = await jsonOf<Maps>(['attend', PICTURE, QUESTION, '--no-answers', '--out', out]);
      const patches = maps.grid.rows * maps.grid.columns;
      expect(maps.plain).to.have.length(patches);
      expect(maps.gates.length).to.be.greaterThan(0);
      const [first] = maps.questions;
      expect(first).to.include({ question: QUESTION, answer: null });
      expect(first?.change).to.have.length(patches);
      expect(maps.between).to.equal(undefined);
      const second = 'how many triangles are there?';
      const both = await jsonOf<Maps>(['attend', PICTURE, QUESTION, second, '--no-answers', '--out', out]);
      expect(both.between).to.have.length(patches);
      expect(both.questions[0]).to.deep.equal(first);
      first?.attention.forEach((share) => expect(share).to.be.within(0, 1));
      // The maps are of all patches, whatever is handed over; which that is, is said.
      const few = await jsonOf<Maps>([
        'attend',
        PICTURE,
        QUESTION,
        '--no-answers',
        '--visual-tokens',
        '5',
        '--out',
        out,
      ]);
      const [{ outlined, ...rest } = {}] = few.questions;
      expect(rest).to.deep.equal(first);
      expect(outlined!.length).to.be.within(4, 5);
      outlined!.forEach((patch) => expect(patch).to.be.within(0, patches - 1));
    });

    it('draws what the patches cover, and no pixels beyond', async () => {
      await using model = await QAViT.load(path.join(root, 'models', 'demo'), {
        device: 'cpu',
        imageSize: { width: 47, height: 30 },
      });
      const request = { image: PICTURE, questions: [QUESTION], answers: [], name: 'demo' };
      const { picture, plain } = await measureQuestions(model, request, new AbortController().signal);
      expect(plain).to.include({ columns: 5, rows: 3 });
      expect(picture).to.include({ width: 40, height: 24 });
    });

    it('refuses a model that takes no questions', async () => {
      const { code, stderr } = await runCli(['attend', PICTURE, QUESTION, '--tower', TOWER], { cwd: folder });
      expect(code).to.equal(1);
      expect(stderr).to.match(/^qavit: Expected .*\nhint: .*\n$/);
    });
  });

  describe('info', () => {
    it('describes the embedded model, which is ready for questions', async () => {
      const { code, stdout } = await runCli(['info']);
      expect(code).to.equal(0);
      expect(stdout)
        .to.match(/^ask +ready$/m)
        .and.match(/^fused layers +\d/m)
        .and.match(/^memory +\d.* weights/m);
      const info = await jsonOf<Record<string, unknown>>(['info', path.join(root, 'models', 'demo'), '--dtype', 'f32']);
      expect(info).to.include({ dtype: 'f32', padding: 'mask' });
      expect(info.missingForAsk).to.deep.equal([]);
    });

    it('says what a tower alone and a tower with an adapter lack', async () => {
      const alone = await jsonOf<{ missingForAsk: string[] }>(['info', '--tower', TOWER]);
      expect(alone.missingForAsk).to.have.length(2);
      const fused = await runCli(['info', '--tower', TOWER, '--adapter', ADAPTER]);
      expect(fused.stdout).to.match(/^ask +no language model; give one with --language <folder>$/m);
    });
  });

  describe('info on towers', () => {
    const tower = (name: string): string => fixture('towers', name, 'tower');

    it('names the family, what stands before the patches, and an interpolated table', async () => {
      const { stdout } = await runCli(['info', tower('dinov2-registers')]);
      expect(stdout)
        .to.match(/^tower +.*dinov2-registers\/tower \(DINOv2 with registers\)$/m)
        .and.match(/^picture +16 × 16 pixels in patches of 4; positions interpolated from 6 × 6 patches$/m)
        .and.match(/^tokens +M = 20 with the class token and 3 registers, N = 20 handed over$/m);
      const siglip = await runCli(['info', '--tower', tower('siglip'), '--dtype', 'f32']);
      expect(siglip.stdout)
        .to.match(/^picture +19 × 19 pixels in patches of 6$/m)
        .and.match(/^tokens +M = 9, N = 9 handed over$/m);
    });

    it('takes another size of pictures', async () => {
      const args = ['info', '--tower', tower('siglip'), '--image-size', '26'];
      expect(await jsonOf<object>(args)).to.deep.include({
        family: 'SigLIP',
        image: square(26),
        trainedImage: square(19),
        M: 16,
      });
      const wide = await jsonOf<object>([...args.slice(0, -1), '26x19']);
      expect(wide).to.deep.include({ image: { width: 26, height: 19 }, grid: { rows: 3, columns: 4 }, M: 12 });
      const { stdout } = await runCli([...args.slice(0, -1), '26x19']);
      expect(stdout).to.match(/^picture +26 × 19 pixels in patches of 6; positions interpolated from 3 × 3 patches$/m);
      for (const text of ['0', '26x', 'x19', '26x19x3', '26x5000', '2.5', '1e3', '']) {
        const { code, stderr } = await runCli([...args.slice(0, -1), text]);
        expect(code, text).to.equal(2);
        expect(stderr, text).to.match(/a whole number from 1 to 4096, or two as in 640x360/);
      }
    });
  });

  describe('pictures in their own shapes', () => {
    const tower = (name: string): string => fixture('towers', name, 'tower');

    it('are what a model is loaded for', async () => {
      const args = ['info', '--tower', tower('siglip'), '--max-patches', '12'];
      expect(await jsonOf<object>(args)).to.deep.include({ image: square(18), maxPatches: 12, M: 12 });
      const { stdout } = await runCli(args);
      expect(stdout)
        .to.match(
          /^picture +each in its own shape, of at most 12 patches of 6; positions interpolated from 3 × 3 patches$/m,
        )
        .and.match(/^tokens +M ≤ 12, N ≤ 12 handed over$/m);
      const naflex = await runCli(['info', tower('siglip2')]);
      expect(naflex.stdout)
        .to.match(/^tower +.*siglip2\/tower \(SigLIP 2\)$/m)
        .and.match(/^picture +each in its own shape, of at most 36 patches of 4; positions /m);
    });

    it('are told of with their tokens', async () => {
      const out = path.join(folder, 'shaped.safetensors');
      const args = ['encode', PICTURE, '--tower', TOWER, '--max-patches', '10', '--out', out];
      const { shape, grid } = await jsonOf<{ shape: number[]; grid: { rows: number; columns: number } }>(args);
      expect(grid.rows * grid.columns)
        .to.be.within(2, 10)
        .and.equal(shape[0]! - 1);
      expect(readFileSync(out, 'latin1')).to.include(`"grid":"${grid.rows}x${grid.columns}"`);
      const { stdout } = await runCli(args);
      expect(stdout).to.match(new RegExp(`^tokens .*, of ${grid.columns} × ${grid.rows} patches$`, 'm'));
    });

    it('are refused as options of the command line are', async () => {
      const args = ['info', '--tower', mergingFolder('smolvlm'), '--max-patches'];
      const { code, stderr } = await runCli([...args, '3']);
      expect(code).to.equal(1);
      expect(stderr).to.match(/Expected at least 4 for --max-patches but received 3/);
      const both = await runCli([...args, '16', '--image-size', '16']);
      expect(both.code).to.equal(2);
      expect(both.stderr).to.match(/--max-patches.* cannot be used with .*--image-size/);
      expect((await runCli([...args, '0'])).stderr).to.match(/a whole number from 1 to/);
    });
  });

  describe('demo', () => {
    it('answers every question of its sample as the PyTorch model does, and draws them', async () => {
      interface Demo {
        answers: { question: string; answer: string; truth: string }[];
        right: number;
        out: string;
      }
      const result = await jsonOf<Demo>(['demo', '--dtype', 'f32'], folder);
      const [expected] = JSON.parse(readFileSync(path.join(SAMPLES, 'expected.json'), 'utf8')) as {
        answers: { question: string; answer: string }[];
      }[];
      expect(result.answers.map(({ question, answer }) => ({ question, answer }))).to.deep.equal(
        expected?.answers.map(({ question, answer }) => ({ question, answer })),
      );
      expect(result.right).to.equal(result.answers.filter(({ answer, truth }) => answer === truth).length);
      expect((await sharp(result.out).metadata()).format).to.equal('png');
    });

    it('prints question, answer and judgement', async () => {
      const { code, stdout } = await runCli(['demo'], { cwd: folder });
      expect(code).to.equal(0);
      expect(stdout)
        .to.contain(QUESTION)
        .and.match(/ of \d+ right\./);
    });
  });
});
