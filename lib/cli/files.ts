import { randomUUID } from 'node:crypto';
import { chmod, readdir, readlink, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { addAbortSignal } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { nearest } from '../calls/nearest';
import { parseHubName } from '../hub/name';
import { DEFAULT_MAX_BYTES } from '../image/limits';
import { CliError, EXIT } from './errors';

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** What was looked for and what is there instead. */
async function notFound(what: string, given: string): Promise<CliError> {
  // It would be looked for where the current folder is.
  if (given === '')
    return new CliError(`Expected ${what} but received ""`, 'a variable of the command line may be empty.');
  const full = path.resolve(given);
  const folder = path.dirname(full);
  const similar = nearest(path.basename(full), await namesIn(folder));
  const looked = `looked for ${full}`;
  const hint = similar === undefined ? looked : `${looked}; did you mean ${path.join(path.dirname(given), similar)}?`;
  return new CliError(`Expected ${what} but received ${JSON.stringify(given)}, which does not exist`, hint);
}

/** A folder that exists. */
export async function existingFolder(what: string, given: string): Promise<string> {
  const stats = await stat(given).catch(() => undefined);
  if (!stats) throw await notFound(what, given);
  if (stats.isDirectory()) return given;
  throw new CliError(
    `Expected ${what} but received ${JSON.stringify(given)}, which is a file`,
    `its folder is ${path.dirname(path.resolve(given))}`,
  );
}

/** A folder that exists, or what may be the name of a model at a hub. */
export async function existingModel(what: string, given: string): Promise<string> {
  const exists = await stat(given).then(
    () => true,
    () => false,
  );
  return !exists && parseHubName(given) ? given : existingFolder(what, given);
}

/** A file that exists. */
export async function existingFile(what: string, given: string): Promise<string> {
  const stats = await stat(given).catch(() => undefined);
  if (!stats) throw await notFound(what, given);
  if (!stats.isDirectory()) return given;
  throw new CliError(
    `Expected ${what} but received ${JSON.stringify(given)}, which is a folder`,
    `looked for a file at ${path.resolve(given)}`,
  );
}

async function standardInput(signal: AbortSignal): Promise<Buffer> {
  if (process.stdin.isTTY) {
    throw new CliError(
      'Expected a picture on standard input but received a terminal',
      'pipe one in: qavit ask - "..." < picture.png',
      EXIT.usage,
    );
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of addAbortSignal(signal, process.stdin) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    // The library refuses it; there is no need to take in all of it first.
    if (bytes > DEFAULT_MAX_BYTES) break;
  }
  if (bytes === 0) {
    throw new CliError(
      'Expected a picture on standard input but received nothing',
      'what writes into the pipe may have failed.',
    );
  }
  return Buffer.concat(chunks);
}

function pathOfUrl(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`Expected an image file but received ${JSON.stringify(url)}: ${why}`, 'give its path instead.');
  }
}

/** The picture an argument names: a path, a file: URL, or `-` for standard input. */
export async function imageArgument(given: string, signal: AbortSignal): Promise<string | Buffer> {
  if (given === '-') return standardInput(signal);
  if (/^https?:/i.test(given)) {
    throw new CliError(
      `Expected an image file but received ${JSON.stringify(given)}`,
      'fetch it first, or pipe it in: curl URL | qavit ask - "..."',
    );
  }
  const file = /^file:/i.test(given) ? pathOfUrl(given) : given;
  const stats = await stat(file).catch(() => undefined);
  if (!stats) throw await notFound('an image file', given);
  if (stats.isDirectory()) {
    const inside = (await namesIn(file)).filter((name) => /\.(png|jpe?g|webp|gif|tiff?|avif)$/i.test(name)).slice(0, 3);
    const hint = inside.length > 0 ? `in it are ${inside.join(', ')}` : 'there are no pictures in it';
    throw new CliError(`Expected an image file but received ${JSON.stringify(given)}, which is a folder`, hint);
  }
  return file;
}

/** Where a link leads whose end is not there yet; a name that is no link stays. */
async function linkedTo(name: string): Promise<string> {
  const target = await readlink(name).catch(() => undefined);
  return target === undefined ? name : path.resolve(path.dirname(name), target);
}

/** Writes a file whole or not at all, with the permissions it has; of a link what it leads to. Devices and pipes are written to as they are. */
export async function writeWhole(given: string, content: Buffer): Promise<void> {
  const file = await realpath(given).catch(() => linkedTo(given));
  const stats = await stat(file).catch(() => undefined);
  const folder = path.dirname(path.resolve(file));
  try {
    if (stats && !stats.isFile()) {
      await writeFile(file, content);
      return;
    }
    // Without the file's own name, which may be as long as names can be.
    const partial = path.join(folder, `.qavit-${randomUUID()}.partial`);
    try {
      await writeFile(partial, content);
      if (stats) await chmod(partial, stats.mode & 0o7777);
      await rename(partial, file);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const reason = {
      ENOENT: 'the folder does not exist',
      EISDIR: 'it is a folder',
      EACCES: 'no permission',
      EROFS: 'read-only',
      ENOSPC: 'the disk is full',
      ENAMETOOLONG: 'the name is too long',
      ENOTDIR: 'its folder is a file',
    };
    const why = (reason as Record<string, string>)[code] ?? String(error);
    throw new CliError(
      `Expected a file that can be written for --out but received ${JSON.stringify(given)}: ${why}`,
      `looked in ${folder}`,
    );
  }
}
