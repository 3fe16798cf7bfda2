import { expect } from 'chai';
import path from 'node:path';
import { root } from '../support/paths';
import { requirePython, runPython } from '../support/python';

const LOADED = `
import json, sys
sys.path.insert(0, sys.argv[1])
import peers.cpu_serve, peers.cpu_models
print(json.dumps([name for name in sys.modules if name.split(".")[0] in ("qavit_torch", "fixtures", "peers")]))
`;

describe('bench: the peers of training/peers', () => {
  it('import no more than a plain tower needs, whose start is timed', async function () {
    requirePython(this, 'torch', 'transformers', 'safetensors');
    const loaded = (await runPython(LOADED, path.join(root, 'training'))) as string[];
    const own = [...loaded].sort();
    expect(own).to.deep.equal([
      ...['fixtures', 'fixtures.random', 'fixtures.tensors'],
      ...['peers', 'peers.answers', 'peers.cpu_models', 'peers.cpu_serve', 'peers.inputs'],
    ]);
  });
});
