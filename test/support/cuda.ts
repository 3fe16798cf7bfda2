/** What the suites of test/cuda share. They run on a GPU or, in `npm test`, on the emulation of the kernels: see docs/cuda.md. */
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceOptions } from '../../lib/binding/native';

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
export async function withEmulation<T>(settings: string, action: () => Promise<T>): Promise<T> {
  process.env.QAVIT_EMULATION = settings;
  try {
    return await action();
  } finally {
    delete process.env.QAVIT_EMULATION;
  }
}
