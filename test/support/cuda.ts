/** What the suites of test/cuda share. They run on a GPU or, in `npm test`, on the emulation of the kernels: see docs/cuda.md. */
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceOptions } from '../../lib/binding/native';
import { withVariable } from './environment';

const addon = loadAddon();

export const openCuda = (options: Omit<DeviceOptions, 'kind'> = {}): Device =>
  new addon.Device({ kind: 'cuda', ...options });

function isEmulated(): boolean {
  const device = openCuda();
  void device.close();
  return device.info.name.startsWith('emulated');
}

/** Whether device 'cuda' is the emulation: slow, but able to fail on request. */
export const emulated = isEmulated();

/** Runs `action` with settings of native/cuda/emulation/host_api.h. Streams keep what was set when they were made. */
export const withEmulation = <T>(settings: string, action: () => Promise<T>): Promise<T> =>
  withVariable('QAVIT_EMULATION', settings, action);

/** Runs `action`, which opens devices: with the kernels that every GPU runs, or with kernels that do not overlap. */
export const withKernels = <T>(choice: 'portable' | 'serial', action: () => T): Promise<T> =>
  withVariable('QAVIT_CUDA_KERNELS', choice, action);
