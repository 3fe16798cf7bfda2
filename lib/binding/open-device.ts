import { QAViTError } from '../errors';
import { loadAddon } from './load';
import type { Device, DeviceInfo } from './native';

/** `cuda` is `cuda:0`; `auto` the first GPU where one can be used, else the CPU. */
export type DeviceName = 'auto' | 'cpu' | 'reference' | 'cuda' | `cuda:${number}`;

/** @throws QAViTError ERR_UNSUPPORTED where there is no such device */
export function openDevice(name: DeviceName, threads?: number): Device {
  const addon = loadAddon();
  if (name === 'cpu' || name === 'reference') return new addon.Device({ kind: name, threads });
  if (name !== 'auto') return new addon.Device({ kind: 'cuda', ordinal: Number(name.split(':')[1] ?? 0) });
  try {
    return new addon.Device({ kind: 'cuda' });
  } catch (error) {
    // No GPU, none that is supported, or no build for one. A GPU that is there and fails is not hidden behind the CPU.
    if (!(error instanceof QAViTError) || error.code !== 'ERR_UNSUPPORTED') throw error;
    return new addon.Device({ kind: 'cpu', threads });
  }
}

/** The GPU that a device is, or the CPU beside it. */
export function computerOf({ kind, ordinal = 0 }: DeviceInfo): DeviceName {
  return kind === 'cuda' ? `cuda:${ordinal}` : 'cpu';
}
