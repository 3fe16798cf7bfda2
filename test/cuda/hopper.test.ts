/** The kernels made for Hopper against those that every GPU runs, on one and the same GPU. Elsewhere both are the same kernels. */
import { expect } from 'chai';
import type { Device } from '../../lib/binding/native';
import { relativeError } from '../support/compare';
import { emulated, openCuda, withKernels } from '../support/cuda';
import { withVariable } from '../support/environment';
import { expectThrow } from '../support/expect-error';
import { runOperation } from '../support/op-runner';
import { tableOperations } from '../support/table-operations';
import { workOf } from '../support/work';

/** Sums in another order, and weights of attention rounded against another reference. */
const tolerances = { bf16: 6e-3, f16: 1e-3 };
const mostWork = emulated ? 300_000 : Infinity;

describe("CUDA: Hopper's kernels", () => {
  let own: Device;
  let portable: Device;
  before(async () => {
    own = openCuda();
    portable = await withKernels('portable', openCuda);
  });
  after(() => Promise.all([own.close(), portable.close()]));

  const cases = tableOperations().filter(({ op }) => ['linear', 'gated_projection', 'concat_attention'].includes(op));
  let [compared, different] = [0, 0];
  for (const { name, operation } of cases) {
    if (workOf(operation()) > mostWork) continue;
    it(`agree with the portable ones: ${name}`, async () => {
      for (const input of ['bf16', 'f16'] as const) {
        // Products in f32 tell the orders of their sums apart; attention's results are of its operands' dtype there.
        const output = operation().op === 'concat_attention' ? input : 'f32';
        const [found, wanted] = [
          await runOperation(own, operation(), { input, output }),
          await runOperation(portable, operation(), { input, output }),
        ];
        expect(relativeError(found, wanted), input).to.be.at.most(tolerances[input]);
        compared += 1;
        if (found.some((value, i) => value !== wanted[i])) different += 1;
      }
    });
  }

  it('are others than the portable ones on a Hopper, and only there', () => {
    const hopper = /\b(H100|H200|H800|H20|GH200)\b/.test(own.info.name);
    console.log(`      ${different} of ${compared} results differ in bits on ${own.info.name}`);
    if (hopper) expect(different).to.be.above(0);
    else expect(different).to.equal(0);
  });

  it('take the tile that is given for measurements, as far as there is one', async () => {
    const { operation } = cases.find(({ op }) => op === 'linear')!;
    for (const tile of ['0:1', '3:2', '5:1']) {
      const device = await withVariable('QAVIT_CUDA_TILE', tile, openCuda);
      const [found, wanted] = [await runOperation(device, operation()), await runOperation(own, operation())];
      expect(relativeError(found, wanted), tile).to.be.at.most(1e-5);
      await device.close();
    }
    for (const wrong of ['3', '3:0', '-1:1', 'a:1', '1:1:1']) {
      await withVariable('QAVIT_CUDA_TILE', wrong, () =>
        expectThrow(() => openCuda(), 'ERR_ARGUMENT', new RegExp(`QAVIT_CUDA_TILE but received ${wrong}$`)),
      );
    }
  });

  it('are left out by a word that is known', () =>
    withVariable('QAVIT_CUDA_KERNELS', 'fast', () =>
      expectThrow(
        () => openCuda(),
        'ERR_ARGUMENT',
        /^Expected portable, serial or nothing for the environment variable QAVIT_CUDA_KERNELS but received fast$/,
      ),
    ));
});
