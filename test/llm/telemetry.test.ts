import { expect } from 'chai';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/paths';
import { temporaryFolder } from '../support/temporary';
import { runCli } from '../cli/run-cli';

const PICTURE = path.join(root, 'models', 'demo', 'samples', 'shapes.png');

describe('telemetry of ONNX Runtime', () => {
  const at = temporaryFolder();

  it('is off: nothing is kept to be sent', async function () {
    // Where it is on, an answer leaves a device's id and a database of events in the home folder.
    if (process.platform !== 'linux') this.skip();
    const home = at('home');
    mkdirSync(home);
    // With CI set it is off by itself.
    const env = { CI: undefined, ORT_DISABLE_TELEMETRY: undefined, XDG_CACHE_HOME: undefined, HOME: home };
    const { code, stderr } = await runCli(['ask', PICTURE, 'what color is the star?'], { env });
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(readdirSync(home, { recursive: true })).to.deep.equal([]);
  });
});
