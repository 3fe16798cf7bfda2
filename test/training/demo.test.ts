import { expect } from 'chai';
import path from 'node:path';
import { root } from '../support/paths';
import { requirePython, runPython } from '../support/python';
import { temporaryFolder } from '../support/temporary';

const REPORT = `
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from safetensors.torch import load_file
from demo import readme, settings
settings.SCRATCH = Path(sys.argv[2])
run = settings.Settings()
shipped = load_file(settings.MODEL / "adapter" / "model.safetensors")["token_selector.weight"]
said = []
for selector in (shipped, shipped + 1):
    torch.save({"selector": {"weight": selector}}, run.out / "few-question-0.pt")
    try:
        readme.write_readme(run)
    except (ValueError, OSError) as error:
        said.append(str(error))
print(json.dumps(said))
`;

const KEPT = `
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import torch
from demo import data, pretrain, settings
data.SCRATCH = settings.SCRATCH = Path(sys.argv[2])
from demo.features import load_features
from demo.language import build_tokenizer
from demo.stream import stream
run = settings.Settings(width=32, heads=1, train_pictures=4, question_pictures=4)

def last(seed):
    torch.manual_seed(seed)
    tower = pretrain.build_tower(run).eval()
    with torch.no_grad():
        exact = tower(data.normalize(torch.from_numpy(np.array(data.load_split("train", run)[0])))).last_hidden_state
    return float((load_features(run, tower).last(torch.arange(4)) - exact).abs().max())

said = {"first": last(0), "again": last(0), "other": last(1), "refused": []}
scenes = data.load_split("train", run)[1]
try:
    next(stream(scenes, build_tokenizer(), 5, 0))
except ValueError as error:
    said["refused"].append(str(error))
(file,) = data.SCRATCH.glob("pictures-train-*.npy")
pictures = np.load(file)
np.save(file, pictures[::-1])
try:
    data.load_split("train", run)
except ValueError as error:
    said["refused"].append(str(error))
print(json.dumps(said))
`;

describe('what a run of the demo keeps', () => {
  const at = temporaryFolder();

  it('is taken of the same pictures and the same tower alone', async function () {
    requirePython(this, 'torch', 'transformers', 'sklearn', 'PIL', 'tqdm', 'tokenizers');
    const said = await runPython(KEPT, path.join(root, 'training'), at());
    const { refused, ...far } = said as { first: number; again: number; other: number; refused: string[] };
    // Kept in float16.
    for (const error of Object.values(far)) expect(error).to.be.below(5e-3);
    const [few, drawn] = refused;
    expect(few).to.equal('Expected at least 5 pictures for a batch but received 4');
    expect(drawn).to.match(/^Expected the pictures that are drawn today in .* but received others: remove it$/);
  });
});

describe("the demo model's card", () => {
  const at = temporaryFolder();

  it('is not written beside the weights of another run', async function () {
    requirePython(this, 'torch', 'transformers', 'safetensors', 'sklearn', 'PIL');
    const [own, other] = (await runPython(REPORT, path.join(root, 'training'), at())) as string[];
    // Of its own run it goes on to the figures, of which there are none here.
    expect(own).to.include('probe.json');
    expect(other).to.match(/^Expected the weights of the run in .* but received others/);
  });
});
