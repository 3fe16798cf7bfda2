import { existsSync } from 'node:fs';
import { copyFile, lstat, mkdir, mkdtemp, readdir, realpath, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loadAddon } from '../binding/load';
import { throwIfAborted } from '../calls/abort';
import { expected, expectedButFound, QAViTError } from '../errors';
import { multiplyOn } from '../weights/device-product';
import { openTorchFile, type OutgoingTensor, type TorchFile, writeSafetensors } from '../weights';
import { adapterPart, languagePart, towerPart } from './parts';
import { type PublishedTensors, sortPublished } from './published-keys';

export interface ConvertOptions {
  /** A .pth of QA-ViT's published code (ViT+T5). */
  readonly checkpoint: string;
  /** The folder of the tower it was trained on: configuration and preprocessing; the weights are in the checkpoint. */
  readonly tower: string;
  /** The folder of its T5: configuration and tokenizer. */
  readonly language: string;
  /** A folder that does not exist yet, or is empty. */
  readonly out: string;
  /** What LoRA was trained with; the published code's 32 unless told. */
  readonly alpha?: number;
  readonly signal?: AbortSignal;
}

export interface Converted {
  readonly fusedLayers: readonly number[];
  /** Modules that LoRA was merged into. */
  readonly merged: number;
  /** Keys that were left out because nothing reads them. */
  readonly ignored: readonly string[];
  /** Python classes and functions that the checkpoint names; none was imported or called. */
  readonly skipped: readonly string[];
}

/** What a language model's folder may hold besides its weights. */
const LANGUAGE_FILES = ['generation_config.json', 'tokenizer_config.json', 'special_tokens_map.json', 'spiece.model'];
const PUBLISHED_ALPHA = 32;

/**
 * Turns a published QA-ViT checkpoint into a model folder: tower, adapter and language model, with LoRA merged and the question's
 * embedding table beside the text's.
 *
 * @throws QAViTError ERR_FORMAT, ERR_SHAPE or ERR_DTYPE, naming file and key; ERR_ARGUMENT for what does not exist, and an `out` that
 *   does or cannot be written; ERR_ABORTED. Nothing is left behind then, and what is in `out` never touched.
 */
export async function convertCheckpoint(options: ConvertOptions): Promise<Converted> {
  const { checkpoint, out, signal } = options;
  throwIfAborted(signal, 'convert');
  await expectNew(out);
  const opened = openTorchFile(checkpoint);
  try {
    return await beside(out, (folder) => write(opened, options, folder));
  } catch (error) {
    throwIfAborted(signal, 'convert');
    throw ofFiles(error, out);
  } finally {
    opened.file.close();
  }
}

/** What `fill` makes becomes `out`, whole or not at all. */
async function beside<T>(out: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const target = await realpath(out).catch(() => path.resolve(out)); // a link to an empty folder stays one
  const parent = path.dirname(target);
  const first = await mkdir(parent, { recursive: true });
  try {
    return await heldBeside(target, out, fill);
  } catch (error) {
    for (let at = parent; first !== undefined && at.length >= first.length; at = path.dirname(at))
      await rmdir(at).catch(() => undefined); // somebody else may have put something there meanwhile
    throw error;
  }
}

async function heldBeside<T>(target: string, out: string, fill: (folder: string) => Promise<T>): Promise<T> {
  // Within it a folder that others may read: mkdtemp's own nobody else may.
  const holding = await mkdtemp(`${target}.partial-`);
  const folder = path.join(holding, 'model');
  try {
    const made = await fill(folder);
    await expectNew(out); // somebody else may have come meanwhile; who comes later yet is refused by the system
    if (existsSync(target)) await rmdir(target);
    await rename(folder, target);
    return made;
  } finally {
    await rm(holding, { recursive: true, force: true });
  }
}

/** A full disk, a folder that may not be written: failures of the file system have a code and a path. */
function ofFiles(error: unknown, out: string): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof QAViTError || code === undefined || syscall === undefined) return error;
  return expectedButFound('ERR_ARGUMENT', 'files that can be read and written', `converting into ${out}`, message);
}

async function expectNew(out: string): Promise<void> {
  if (out === '') throw expectedButFound('ERR_ARGUMENT', 'a new folder', 'the converted model', '""');
  const stats = await lstat(out).catch(() => undefined);
  if (!stats) return;
  const names = await readdir(out).catch(() => undefined);
  if (names?.length === 0) return;
  const isLost = stats.isSymbolicLink() && !existsSync(out);
  const found = `${out}, which ${names ? 'is not empty' : isLost ? 'is a link to what does not exist' : 'is a file'}`;
  throw expectedButFound('ERR_ARGUMENT', 'a new folder', 'the converted model', found);
}

async function write(
  { file, tensors, skipped }: TorchFile,
  options: ConvertOptions,
  folder: string,
): Promise<Converted> {
  const published = sortPublished({ path: file.path, all: tensors });
  const device = new (loadAddon().Device)({ kind: 'cpu' });
  try {
    const context = { dtype: 'f32', multiply: multiplyOn(device) } as const;
    await writeParts(published, options, folder, context);
  } finally {
    await device.close();
  }
  const { fusedLayers, adapted, ignored } = published;
  return { fusedLayers, merged: adapted.size, ignored, skipped };
}

async function writeParts(
  published: PublishedTensors,
  { tower, language, alpha = PUBLISHED_ALPHA, signal }: ConvertOptions,
  folder: string,
  context: Parameters<typeof languagePart>[3],
): Promise<void> {
  const seeing = await towerPart(published, tower);
  const fusing = adapterPart(published, seeing.sizes);
  const speaking = await languagePart(published, path.join(language, 'config.json'), alpha, context);
  expectWidth(language, fusing, speaking.width);

  await writeFolder(path.join(folder, 'tower'), seeing.tensors, seeing.files, signal);
  await writeFolder(path.join(folder, 'adapter'), fusing.tensors, [], signal);
  await writeJson(path.join(folder, 'adapter', 'config.json'), fusing.json);
  const kept = [
    'config.json',
    'tokenizer.json',
    ...LANGUAGE_FILES.filter((name) => existsSync(path.join(language, name))),
  ];
  const beside = kept.map((name) => path.join(language, name));
  await writeFolder(path.join(folder, 'language'), speaking.tensors, beside, signal);
  const config = { model_type: 'qavit', tower: 'tower', adapter: 'adapter', language: 'language' };
  await writeJson(path.join(folder, 'config.json'), config);
}

function expectWidth(
  language: string,
  { questionWidth, languageWidth }: { questionWidth: number; languageWidth: number },
  width: number,
): void {
  const where = `d_model of ${path.join(language, 'config.json')}`;
  if (languageWidth !== width) throw expected('ERR_SHAPE', `${languageWidth}, as the projector gives,`, where, width);
  if (questionWidth !== width) throw expected('ERR_SHAPE', `${questionWidth}, as the adapter takes,`, where, width);
}

/** Tensors into `model.safetensors`, and copies of files beside it. */
async function writeFolder(
  folder: string,
  tensors: readonly OutgoingTensor[],
  files: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const file of files) {
    if (!existsSync(file)) throw expectedButFound('ERR_FORMAT', 'a file', file, 'nothing: it does not exist');
    await copyFile(file, path.join(folder, path.basename(file)));
  }
  await writeSafetensors(path.join(folder, 'model.safetensors'), tensors, signal);
}

function writeJson(file: string, value: object): Promise<void> {
  return writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}
