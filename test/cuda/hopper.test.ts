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
/** Sums of 512 and more are among these, which are long enough to be split. */
const mostWorkOfTiles = emulated ? 1_000_000 : Infinity;

describe("CUDA: Hopper's kernels", () => {
  let own: Device;
  let portable: Device;
  before(async () => {
    own = openCuda();
    portable = await withKernels('portable', openCuda);
  });
  after(() => Promise.all([own.close(), portable.close()]));

  const onHopper = (): boolean => /\b(H100|H200|H800|H20|GH200)\b/.test(own.info.name);

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
    console.log(`      ${different} of ${compared} results differ in bits on ${own.info.name}`);
    if (onHopper()) expect(different).to.be.above(0);
    else expect(different).to.equal(0);
  });

  for (const tile of [0, 1, 2, 3, 4]) {
    it(`give every product with tile ${tile}, its sum whole or in parts, where that is asked for`, async () => {
      const products = cases.filter(({ op, operation }) => op === 'linear' && workOf(operation()) <= mostWorkOfTiles);
      let inParts = 0;
      const openWith = (splits: number) => withVariable('QAVIT_CUDA_TILE', `${tile}:${splits}`, openCuda);
      const [whole, parts] = [await openWith(1), await openWith(3)];
      for (const { name, operation } of products) {
        // The same products of the same numbers, added in f32 in another order.
        const options = { input: 'bf16', output: 'f32' } as const;
        const wanted = await runOperation(portable, operation(), options);
        const found = await runOperation(whole, operation(), options);
        expect(relativeError(found, wanted), name).to.be.at.most(1e-5);
        const added = await runOperation(parts, operation(), options);
        expect(relativeError(added, wanted), `${name}, in parts`).to.be.at.most(1e-5);
        if (added.some((value, i) => value !== found[i])) inParts += 1;
      }
      // The fifth is one of Hopper's alone; elsewhere it is no choice.
      expect(inParts > 0).to.equal(tile < 4 || onHopper());
      await Promise.all([whole.close(), parts.close()]);
    });
  }

  it('take only tiles and splits that are numbers', async () => {
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
