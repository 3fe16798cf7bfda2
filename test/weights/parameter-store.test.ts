import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import { computed, ParameterStore } from '../../lib/weights';
import { multiplyOn } from '../../lib/weights/device-product';
import { expectThrow } from '../support/expect-error';

describe('ParameterStore', () => {
  it('lets go of all its parameters, and can take them up again', async () => {
    const device = new (loadAddon().Device)({ kind: 'cpu', threads: 1 });
    const store = new ParameterStore(device, 'f32');
    const parameters = ['first', 'second'].map((name) =>
      computed(name, 'matrix', [8, 16], () => new Float32Array(128).fill(1)),
    );
    await store.ensure(parameters);
    const { weightBytes } = device.memory;
    expect(weightBytes).to.be.at.least(2 * 128 * 4);
    store.dispose();
    expect(device.memory.weightBytes).to.equal(0);
    expectThrow(() => store.weightOf(parameters[0]!), 'ERR_ARGUMENT', /uploaded first before/);
    await store.ensure(parameters);
    expect(device.memory.weightBytes).to.equal(weightBytes);
    await device.close();
  });

  it('lets go of some when what was asked for before is done', async () => {
    const device = new (loadAddon().Device)({ kind: 'cpu', threads: 1 });
    const store = new ParameterStore(device, 'f32');
    const [kept, left] = ['kept', 'left'].map((name) => computed(name, 'table', [8, 16], () => new Float32Array(128)));
    const used = store.use([kept!, left!], (weightOf) => weightOf(left!).bytes);
    const released = store.release([left!]);
    expect(await used).to.equal(512);
    await released;
    expect(device.memory.weightBytes).to.equal(512);
    expectThrow(() => store.weightOf(left!), 'ERR_ARGUMENT', /uploaded left before/);
    expect(await store.use([left!], (weightOf) => weightOf(left!).bytes)).to.equal(512);
    await store.release([computed('never made', 'table', [8, 16], () => new Float32Array(128))]);
    store.dispose();
    await device.close();
  });

  it('makes what two ask for at the same time once', async () => {
    const device = new (loadAddon().Device)({ kind: 'cpu', threads: 1 });
    const store = new ParameterStore(device, 'f32');
    let made = 0;
    const parameter = computed('shared', 'matrix', [8, 16], () => ((made += 1), new Float32Array(128)));
    await Promise.all([store.ensure([parameter]), store.ensure([parameter])]);
    expect(made).to.equal(1);
    store.dispose();
    await device.close();
  });

  it('keeps a table in f32, and where it may be narrow in the dtype that is computed in', async () => {
    const device = new (loadAddon().Device)({ kind: 'cpu', threads: 1 });
    const bytes = async (narrow?: true): Promise<number> => {
      const store = new ParameterStore(device, 'bf16');
      await store.ensure([{ ...computed('table', 'table', [64, 16], () => new Float32Array(1024)), narrow }]);
      const { weightBytes } = device.memory;
      store.dispose();
      return weightBytes;
    };
    expect([await bytes(), await bytes(true)]).to.deep.equal([4096, 2048]);
    await device.close();
  });

  it('multiplies for folds and keeps nothing of it', async () => {
    const device = new (loadAddon().Device)({ kind: 'cpu', threads: 1 });
    const a = { data: Float32Array.of(1, 2, 3, 4), rows: 2, columns: 2 };
    const { data } = await multiplyOn(device)(a, a);
    expect([...data]).to.deep.equal([7, 10, 15, 22]);
    expect(device.memory.weightBytes).to.equal(0);
    await device.close();
  });
});
