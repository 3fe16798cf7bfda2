import { expect } from 'chai';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { QAViT } from '../../lib';
import { relativeError } from '../support/compare';
import { root } from '../support/paths';
import { requirePython, runPython } from '../support/python';
import { temporaryFolder } from '../support/temporary';

const FEW = 3;
const NEW_TOKENS = 8;

// Violent steps: answers must depend on picture and question.
const TRAIN = `
import contextlib, io, json, random, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from adapter import t5, train
from adapter.check import write_language, write_samples, write_tower
from adapter.data import Samples, read_samples
from fixtures.towers import TowerSpec
from qavit_torch import load_adapter
out, few, new_tokens = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
random.seed(0)
torch.manual_seed(0)
write_tower(TowerSpec(width=48, heads=3, layers=4, mlp=96, image=32, patch=8), out / "tower")
write_language(out / "language")
write_samples(out, 3)
given = {"tower": out / "tower", "data": out / "samples.jsonl", "out": out / "adapter", "device": "cpu", "workers": 0}
given |= {"steps": 40, "batch": 6, "rate": 1e-2, "gate-rate": 0.2, "select": str(few), **json.loads(sys.argv[5])}
arguments = [part for name, value in given.items() for part in ([f"--{name}"] if value is True else [f"--{name}", str(value)])]
with contextlib.redirect_stdout(io.StringIO()):
    train.main([*arguments, "--language", str(out / "language"), "--language-out", str(out / "trained")])
# From what was written.
setup = t5.prepare(train.parse([*arguments, "--language", str(out / "trained")]))
model = setup.model
model.tower = load_adapter(out / "adapter", model.tower.tower)
model.eval()
answers = []
for row in Samples(read_samples(out / "samples.jsonl"), setup.processor):
    batch = setup.join([row])
    answer = {"image": str(row[1].image), "question": row[1].question}
    for name, count in (("all", None), ("few", few)):
        with torch.no_grad():
            visual = model.see(batch, count)[1][0]
        said = model.answer(batch, setup.tokenizer, count, new_tokens)[0]
        answer[name] = {"shape": list(visual.shape), "visual": visual.flatten().tolist(), "said": said}
    answers.append(answer)
print(json.dumps(answers))
`;

interface Seen {
  shape: number[];
  visual: number[];
  said: string;
}

interface Answer extends Record<'all' | 'few', Seen> {
  image: string;
  question: string;
}

describe('training for a T5', () => {
  const at = temporaryFolder();

  for (const [name, options] of [
    ['as the paper has it', {}],
    [
      'of other layers, questions and rows',
      {
        layers: '0,2',
        'vision-feature-layer': -2,
        'drop-cls': true,
        'projector-layers': 1,
        features: 'embedding',
        normalization: 'none',
        'max-question-tokens': 7,
      },
    ],
  ] as const) {
    it(`makes an adapter ${name}, which means here what it meant there`, async function () {
      requirePython(this, 'torch', 'transformers', 'tokenizers', 'PIL');
      this.timeout(300_000);
      const out = at(name);
      mkdirSync(out);
      const script = [path.join(root, 'training'), out, String(FEW), String(NEW_TOKENS), JSON.stringify(options)];
      const answers = (await runPython(TRAIN, ...script)) as Answer[];
      expect(new Set(answers.map(({ all }) => all.said)).size).to.be.above(1);
      const [tower, adapter, language] = ['tower', 'adapter', 'trained'].map((folder) => path.join(out, folder));
      await using model = await QAViT.load(
        { tower: tower!, adapter: adapter!, language: language! },
        { device: 'cpu', dtype: 'f32' },
      );
      for (const { image, question, ...wanted } of answers) {
        for (const [visualTokens, { shape, visual, said }] of [
          ['all', wanted.all],
          [FEW, wanted.few],
        ] as const) {
          const tokens = await model.encode(image, question, { visualTokens });
          expect(tokens.shape).to.deep.equal(shape);
          expect(relativeError(tokens.data, Float32Array.from(visual))).to.be.below(1e-5);
          let text = '';
          for await (const piece of model.ask(image, question, { visualTokens, maxNewTokens: NEW_TOKENS })) text += piece;
          expect(text).to.equal(said);
        }
      }
    });
  }
});
