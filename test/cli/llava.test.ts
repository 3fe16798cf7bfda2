import { expect } from 'chai';
import { rmSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import {
  copyLlava,
  expectedLlava,
  llavaAdapter,
  llavaFolder,
  llavaTensors,
  NEW_TOKENS,
} from '../support/vision-language';
import { temporaryFolder } from '../support/temporary';
import { runCli } from './run-cli';

const LLAVA = llavaFolder('clip-llama');

describe('cli with a LLaVA folder', () => {
  const at = temporaryFolder();
  const { answers, fused } = expectedLlava('clip-llama');
  const options = ['--dtype', 'f32', '--device', 'cpu', '--max-new-tokens', String(NEW_TOKENS), '--json'];

  before(async () => {
    const { data, width, height } = llavaTensors('clip-llama').picture;
    await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(at('picture.png'));
  });

  async function ask(question: string, ...more: string[]): Promise<string> {
    const { code, stdout, stderr } = await runCli(['ask', at('picture.png'), question, ...more, ...options]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    return (JSON.parse(stdout) as { answer: string }).answer;
  }

  it('asks it, with words around the question', async () => {
    for (const { question, system, before: said, text } of answers) {
      const around = [
        ...(system === undefined ? [] : ['--system', system]),
        ...(said === undefined ? [] : ['--before', said]),
      ];
      expect(await ask(question, '--model', LLAVA, ...around)).to.equal(text);
    }
  });

  it('asks it with an adapter', async () => {
    const [asked] = fused;
    const parts = ['--tower', LLAVA, '--adapter', llavaAdapter, '--language', LLAVA];
    expect(await ask(asked!.question, ...parts)).to.equal(asked!.text);
  });

  it("asks one of its decoders' precisions", async () => {
    const [asked] = answers;
    expect(await ask(asked!.question, '--model', LLAVA, '--language-dtype', 'fp16')).to.equal(asked!.text);
    const wrong = await runCli(['ask', at('picture.png'), 'what?', '--model', LLAVA, '--language-dtype', 'q4']);
    expect(wrong.code).to.equal(1);
    expect(wrong.stderr).to.match(/^qavit: Expected decoder_model_merged_q4\.onnx for .* no such file\nhint: /);
  });

  it('describes it, ready or not', async () => {
    const ready = await runCli(['info', LLAVA]);
    expect(ready.stderr).to.equal('');
    expect(ready.stdout)
      .to.match(/^tower +.*clip-llama \(the CLIP of a LLaVA\)$/m)
      .and.match(/^width +C = 24, H = 2 heads, L = 4 layers \(3 computed\)$/m)
      .and.match(/^tokens +M = 10 with the class token, N = 9 handed over$/m)
      .and.match(/^projector +E = 32$/m)
      .and.match(
        /^ask +ready, as a LLaVA is asked; without an adapter the question reaches the language model alone$/m,
      );
    const mute = copyLlava('clip-llama', at('mute'));
    rmSync(path.join(mute, 'onnx', 'embed_tokens.onnx'));
    const lacking = await runCli(['info', mute]);
    expect(lacking.code).to.equal(0);
    expect(lacking.stdout).to.match(
      /^ask +no language model; add onnx\/embed_tokens\.onnx to .*mute, or give a folder with --language$/m,
    );
    const json = await runCli(['info', mute, '--json']);
    expect(JSON.parse(json.stdout)).to.deep.include({
      visionLanguage: 'LLaVA',
      missingFiles: ['onnx/embed_tokens.onnx'],
      language: null,
    });
  });
});
