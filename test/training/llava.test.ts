import { expect } from 'chai';
import path from 'node:path';
import { QAViT } from '../../lib';
import { relativeError } from '../support/compare';
import { expectedLlava, framingOf, linedFolder, llavaFolder, llavaTensors, NEW_TOKENS, mergingFolder, placedFolder } from '../support/vision-language';
import { root } from '../support/paths';
import { requirePython, runPython, runTraining } from '../support/python';
import { temporaryFolder } from '../support/temporary';

// A few violent steps: the questions must change what is said.
const TRAIN = `
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from adapter import check_llava, llava, train
from adapter.check import write_samples
from adapter.data import Samples, read_samples
from qavit_torch import load_adapter
out, new_tokens = Path(sys.argv[3]), int(sys.argv[4])
torch.manual_seed(0)
write_samples(out, 3)
options = {"model": sys.argv[2], "steps": 8, "rate": 3e-2, "gate-rate": 0.3, **json.loads(sys.argv[5])}
check_llava.run(out, **options)
setup = llava.prepare(train.parse(check_llava.arguments(out, **options)))
model = setup.model
model.tower = load_adapter(out / "adapter", model.tower.tower)
model.eval()
answers = []
for row in Samples(read_samples(out / "samples.jsonl"), setup.processor):
    batch = setup.join([row])
    with torch.no_grad():
        visual = model.see(batch)[1][0]
    said = model.answer(batch, setup.tokenizer, max_new_tokens=new_tokens)[0]
    image, question = str(row[1].image), row[1].question
    answers.append({"image": image, "question": question, "visual": visual.flatten().tolist(), "said": said})
print(json.dumps(answers))
`;

interface Answer {
  image: string;
  question: string;
  visual: number[];
  said: string;
}

/** Python strips characters that JavaScript does not. */
const printable = (text: string): string => text.replace(/[\p{Cc}\s]/gu, '');

describe('training for a LLaVA', () => {
  const at = temporaryFolder();
  const PACKAGES = ['torch', 'transformers', 'tokenizers', 'PIL', 'onnx', 'onnxruntime'] as const;

  it('brings the question into the tower of a frozen model', async function () {
    requirePython(this, ...PACKAGES);
    this.timeout(600_000);
    await runTraining('adapter.check_llava');
  });

  it('writes the decoder as graphs that answer as transformers does, and one of 4 bits', async function () {
    requirePython(this, ...PACKAGES);
    this.timeout(300_000);
    const [clip, language] = [llavaFolder('clip-llama'), at('language')];
    await runTraining('adapter.export_language', '--model', clip, '--out', language, '--bits', '4');
    const { picture } = llavaTensors('clip-llama');
    const answers = async (languageDType: 'fp32' | 'q4'): Promise<string[]> => {
      await using model = await QAViT.load({ tower: clip, language }, { device: 'cpu', dtype: 'f32', languageDType });
      const said: string[] = [];
      for (const each of asked) {
        let text = '';
        const options = { maxNewTokens: NEW_TOKENS, ...framingOf(each) };
        for await (const piece of model.ask(picture, each.question, options)) text += piece;
        said.push(text);
      }
      return said;
    };
    const asked = expectedLlava('clip-llama').answers;
    expect(await answers('fp32')).to.deep.equal(asked.map(({ text }) => text));
    // Random weights bear no 4 bits; that the graph is read, and says something, is what counts here.
    for (const text of await answers('q4')) expect(text).to.not.equal('');
  });

  const clip = llavaFolder('clip-llama');
  for (const [what, whole, options] of [
    ['for a LLaVA that leaves its projector alone', clip, {}],
    ['for a LLaVA with its projector', clip, { 'train-projector': true }],
    ['for a SmolVLM', mergingFolder('smolvlm'), {}],
    ['for a LLaVA-NeXT', linedFolder('llava-next'), {}],
    ['for a LLaVA-OneVision', linedFolder('onevision'), {}],
    ['for a Qwen2-VL', placedFolder('qwen2_vl'), {}],
  ] as const) {
    it(`makes an adapter ${what}, which means here what it meant there`, async function () {
      requirePython(this, ...PACKAGES);
      this.timeout(300_000);
      const out = at('');
      const script = [path.join(root, 'training'), whole, out, String(NEW_TOKENS), JSON.stringify(options)];
      const answers = (await runPython(TRAIN, ...script)) as Answer[];
      expect(new Set(answers.map(({ said }) => said)).size).to.be.above(1);
      const folders = { tower: whole, adapter: path.join(out, 'adapter'), language: whole };
      await using model = await QAViT.load(folders, { device: 'cpu', dtype: 'f32' });
      for (const { image, question, visual, said } of answers) {
        const { data } = await model.encode(image, question);
        expect(relativeError(data, Float32Array.from(visual))).to.be.below(1e-5);
        let text = '';
        for await (const piece of model.ask(image, question, { maxNewTokens: NEW_TOKENS })) text += piece;
        expect(printable(text)).to.equal(printable(said));
      }
    });
  }
});
