import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import { computed, ParameterStore } from '../../lib/weights';
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
});
