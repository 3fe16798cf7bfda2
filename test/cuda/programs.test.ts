/** Tests in C++ (test/cuda/<name>/) of kernels and of the host side, which look at tiles, layouts and faults that no plan reaches. Emulation only. */
import { expect } from 'chai';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { emulated } from '../support/cuda';
import { root } from '../support/paths';

const run = promisify(execFile);

/** Those of native/cuda/cuda.cmake. */
const programs = ['emulation', 'host', 'rows', 'linear', 'concat_attention', 'patch_embed', 'sm90', 'hopper'];

describe('CUDA: kernels by themselves', function () {
  if (!emulated) return;
  // Each is seconds of one processor's time, which a busy machine may not have to spare.
  this.timeout(400_000);

  const built = path.dirname(process.env.QAVIT_ADDON ?? path.join(root, 'build', 'emulated', 'qavit.node'));
  for (const name of programs) {
    it(name, async () => {
      const program = path.join(built, `${name}_test${process.platform === 'win32' ? '.exe' : ''}`);
      const { stdout } = await run(program).catch((error: Error & { stdout?: string; stderr?: string }) =>
        expect.fail(`${error.message}\n${error.stdout}\n${error.stderr}`),
      );
      expect(stdout).to.not.equal('');
    });
  }
});
