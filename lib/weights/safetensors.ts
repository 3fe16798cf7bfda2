import { loadAddon } from '../binding/load';
import { headerLength, parseHeader, PREFIX_BYTES } from './safetensors-header';
import { StoredTensor } from './stored-tensor';
import type { TensorFile } from './tensor-file';

/**
 * Opens a .safetensors file and checks its header; no tensor is read yet. The caller closes `file`.
 *
 * @throws QAViTError ERR_FORMAT for anything but a whole, consistent file; ERR_ARGUMENT where it cannot be opened
 */
export function openSafetensors(path: string): TensorFile {
  const file = new (loadAddon().MappedFile)(path);
  try {
    const length = headerLength(file.read(0, Math.min(PREFIX_BYTES, file.size)), file.size, path);
    const entries = parseHeader(file.read(PREFIX_BYTES, length), file.size, path);
    return { file, tensors: entries.map((entry) => new StoredTensor(file, entry)), skipped: [] };
  } catch (error) {
    file.close();
    throw error;
  }
}
