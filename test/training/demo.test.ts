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
