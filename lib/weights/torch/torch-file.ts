import { loadAddon } from '../../binding/load';
import type { MappedFile } from '../../binding/native';
import { expectedButFound } from '../../errors';
import { StoredTensor } from '../stored-tensor';
import { MAX_TENSORS, type TensorEntry, type TensorFile } from '../tensor-file';
import { entryOf } from './layout';
import { unpickle } from './pickle';
import { quoted, type TorchTensor } from './pickle-values';
import { findStateDict } from './state-dict';
import { type ByteRange, ZipArchive } from './zip-archive';

/** Names, shapes and what else a checkpoint holds besides numbers: a few MB for the largest. */
const MAX_PICKLE_BYTES = 32 * 2 ** 20;
/** `version` and `byteorder` hold a word. */
const MAX_RECORD_BYTES = 64;

/** How files begin: a zip archive's first entry, and protocol 2 of pickle. */
const MAGIC = { zip: Buffer.from('PK\x03\x04', 'latin1'), pickle: 0x80 };

/** What PyTorch's own reader accepts (`caffe2/serialize/versions.h`). */
const VERSIONS = { least: 1, most: 10 };

export interface TorchFileOptions {
  /**
   * Keys that lead to the dict of tensors, `['model']` for `{'model': {...}, 'optimizer': ...}`. Default: the least nested dict of
   * tensors; of several at that depth, and before tensors beside it, the one named model, state_dict, model_state_dict or module.
   */
  readonly at?: readonly string[];
}

export interface TorchFile extends TensorFile {
  /** Where the tensors were found. */
  readonly at: readonly string[];
  /** Python classes and functions that the file names and that were neither imported nor called. */
  readonly skipped: readonly string[];
}

/**
 * Opens a file of `torch.save` (PyTorch 1.6 and newer): a zip archive of a pickle and one entry for each storage. Only the pickle is
 * read, and none of what it names is executed; tensors are read as ranges of the file when asked for. Names that share a storage
 * (tied weights) share its bytes. What the format is: https://docs.pytorch.org/docs/stable/notes/serialization.html
 *
 * The caller closes `file`.
 *
 * @throws QAViTError ERR_FORMAT for anything but a whole, consistent file; ERR_UNSUPPORTED for older files, TorchScript, compressed
 *   entries and big-endian numbers; ERR_ARGUMENT where it cannot be opened or has no dict at `options.at`
 */
export function openTorchFile(path: string, options: TorchFileOptions = {}): TorchFile {
  const file = new (loadAddon().MappedFile)(path);
  try {
    checkKind(file);
    const archive = new ZipArchive(file);
    const root = rootOf(archive, path);
    checkRecords(archive, root, path);
    const pickle = archive.read(`${root}/data.pkl`, MAX_PICKLE_BYTES);
    if (!pickle) throw expectedButFound('ERR_FORMAT', 'an entry data.pkl', path, 'none');
    const { value, skipped } = unpickle(pickle, path);
    const { at, tensors } = findStateDict(value, options.at, path);
    const entries = entriesOf(tensors, archive, root, path);
    return { file, at, skipped, tensors: entries.map((entry) => new StoredTensor(file, entry)) };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Tells the formats of other times and makers from a damaged file. */
function checkKind(file: MappedFile): void {
  const start = file.read(0, Math.min(file.size, MAGIC.zip.length));
  if (start.equals(MAGIC.zip)) return;
  const what = 'a zip file of torch.save';
  if (start[0] === MAGIC.pickle) {
    const advice = 're-save it in Python by torch.save(torch.load(f, weights_only=True), f2)';
    throw expectedButFound('ERR_UNSUPPORTED', what, file.path, `the format before PyTorch 1.6; ${advice}`);
  }
  const found = start.length === 0 ? 'an empty file' : `one that begins with the bytes ${start.toString('hex')}`;
  throw expectedButFound('ERR_FORMAT', what, file.path, found);
}

/** The folder that all entries are in; `archive` or the file's first name. */
function rootOf(archive: ZipArchive, path: string): string {
  const roots = [...archive.names].filter((name) => /^[^/]+\/data\.pkl$/.test(name)).map((name) => name.split('/')[0]);
  const [root, ...others] = roots;
  if (root !== undefined && others.length === 0) return root;
  const found = root === undefined ? 'none (not written by torch.save)' : `those in ${roots.slice(0, 8).join(' and ')}`;
  throw expectedButFound('ERR_FORMAT', 'one entry data.pkl', path, found);
}

function checkRecords(archive: ZipArchive, root: string, path: string): void {
  if (archive.has(`${root}/constants.pkl`)) {
    const advice = 'save its weights in Python by torch.save(torch.jit.load(f).state_dict(), f2)';
    throw expectedButFound('ERR_UNSUPPORTED', 'a state dict', path, `a TorchScript program; ${advice}`);
  }
  const version = archive.read(`${root}/version`, MAX_RECORD_BYTES)?.toString('latin1').trim() ?? 'none';
  const number = /^\d+$/.test(version) ? Number(version) : NaN;
  if (!(number >= VERSIONS.least && number <= VERSIONS.most)) {
    const [code, found] = Number.isNaN(number)
      ? (['ERR_FORMAT', JSON.stringify(version)] as const)
      : (['ERR_UNSUPPORTED', version] as const);
    throw expectedButFound(code, `version ${VERSIONS.least} to ${VERSIONS.most}`, path, found);
  }
  // Files from before the entry was there come from little-endian machines, as all that train do.
  const order = archive.read(`${root}/byteorder`, MAX_RECORD_BYTES)?.toString('latin1').trim() ?? 'little';
  if (order === 'little') return;
  const code = order === 'big' ? 'ERR_UNSUPPORTED' : 'ERR_FORMAT';
  throw expectedButFound(code, 'little-endian numbers', path, `byteorder ${JSON.stringify(order)}`);
}

function entriesOf(
  tensors: ReadonlyMap<string, TorchTensor>,
  archive: ZipArchive,
  root: string,
  path: string,
): TensorEntry[] {
  if (tensors.size > MAX_TENSORS) {
    throw expectedButFound('ERR_UNSUPPORTED', `at most ${MAX_TENSORS} tensors`, path, String(tensors.size));
  }
  const ranges = new Map<string, ByteRange>();
  return [...tensors].map(([name, tensor]) => {
    const { key } = tensor.storage;
    const range = ranges.get(key) ?? archive.range(`${root}/data/${key}`);
    if (!range) {
      const where = `tensor ${quoted(name)} of ${path}`;
      throw expectedButFound('ERR_FORMAT', `an entry ${quoted(`data/${key}`)}`, where, 'none');
    }
    ranges.set(key, range);
    return entryOf(name, tensor, range, path);
  });
}
