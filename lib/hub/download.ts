/**
 * One file from a hub into a cache: continued where an earlier attempt ended, checked against its hash, published whole.
 *
 * Why not `downloadFileToCacheDir` of @huggingface/hub: it begins anew each time, checks neither length nor hash, lets two processes
 * write into one file, cannot be aborted and prints to the console.
 *
 * What is not complete lies beside the blobs under the name of its hash, so a continued download is always one of the same content. Once
 * all bytes are there they are read again from the disk and hashed: what is published is what was checked, whoever wrote it. A partial
 * file is never cut short, only replaced: another process may have it open.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expectedButFound } from '../errors';
import type { HubClient, Opened } from './client';
import type { RemoteFile } from './listing';
import { PassingFailure, persist } from './persist';

export interface DownloadTarget {
  readonly url: string;
  readonly file: RemoteFile;
  /** Where it ends up. */
  readonly blob: string;
  readonly signal?: AbortSignal;
  /** Bytes of it that are here now. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * @throws QAViTError ERR_NETWORK (broken too often), ERR_FORMAT (another length or hash than the hub says), and what HubClient.open()
 *   and the file system say
 */
export async function downloadBlob(client: HubClient, target: DownloadTarget): Promise<void> {
  const { file, blob, onBytes } = target;
  const isThere = async (): Promise<boolean> => (await sizeOf(blob)) === file.bytes;
  if (await isThere()) return onBytes(file.bytes);
  await mkdir(path.dirname(blob), { recursive: true });
  try {
    await completePartial(client, target, partialOf(blob));
    await rename(partialOf(blob), blob);
  } catch (error) {
    // Another process that held the lock too (lock.ts) has published it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || !(await isThere())) throw error;
  }
}

async function completePartial(client: HubClient, target: DownloadTarget, partial: string): Promise<void> {
  const { file, signal, onBytes } = target;
  const begun = ((await sizeOf(partial)) ?? 0) > 0;
  let here = 0;
  const count = (bytes: number): void => onBytes((here = bytes));
  const attempt = async (): Promise<boolean> => {
    await append(client, target, partial, count);
    return (await hashOf(partial, file, signal)) === file.hash;
  };
  const again = { retryMs: client.settings.retryMs, signal, progress: () => here };
  try {
    let right = await persist(attempt, again);
    if (!right && begun) {
      // A part from another time may have been spoilt; what was fetched whole is what the server has.
      await rm(partial, { force: true });
      right = await persist(attempt, again);
    }
    if (!right) throw await mismatch(partial, target);
  } catch (error) {
    if (!(error instanceof PassingFailure)) throw error;
    throw expectedButFound('ERR_NETWORK', `${file.bytes} bytes`, target.url, `${here} bytes, then ${error.message}`);
  }
}

/** How much of a file is still to come. */
export async function missingBytes({ bytes }: RemoteFile, blob: string): Promise<number> {
  if ((await sizeOf(blob)) === bytes) return 0;
  return Math.max(0, bytes - ((await sizeOf(partialOf(blob))) ?? 0));
}

/** Not huggingface_hub's *.incomplete, which a Python process may be writing at this moment. */
function partialOf(blob: string): string {
  return `${blob}.qavit-partial`;
}

async function mismatch(partial: string, { file, url, signal }: DownloadTarget): Promise<Error> {
  const found = await hashOf(partial, file, signal);
  await rm(partial, { force: true });
  return expectedButFound('ERR_FORMAT', `content with the hash ${file.hash}`, url, `some with ${found}`);
}

/** Fetches what is missing of `partial`. */
async function append(
  client: HubClient,
  { url, file }: DownloadTarget,
  partial: string,
  count: (bytes: number) => void,
): Promise<void> {
  let start = (await sizeOf(partial)) ?? 0;
  if (start > file.bytes) start = 0;
  count(start);
  if (start === file.bytes && start > 0) return;
  const opened = await client.open(url, start > 0 ? { range: `bytes=${start}-` } : {});
  if (start > 0 && !(await continues(opened, start, file))) {
    start = 0;
    // A server that knows no ranges sends all of it; one that refuses this range is asked again, for all.
    if (opened.response.status !== 200) {
      await rm(partial);
      throw new PassingFailure(`status ${opened.response.status} to a range`);
    }
  }
  if (start === 0) await rm(partial, { force: true });
  const handle = await openPartial(partial, start);
  try {
    await write(handle, opened.pieces, start, file, count);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function openPartial(partial: string, start: number): Promise<FileHandle> {
  try {
    return await open(partial, start > 0 ? 'r+' : 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new PassingFailure('another process that writes the same file');
  }
}

/** Whether an answer is the rest of the file from `start` on. */
async function continues({ response }: Opened, start: number, { bytes }: RemoteFile): Promise<boolean> {
  const range = response.headers.get('content-range');
  const right = new RegExp(`^bytes ${start}-${bytes - 1}/(${bytes}|\\*)$`);
  if (response.status === 206 && right.test(range ?? '')) return true;
  if (response.status !== 200) await response.body?.cancel();
  return false;
}

async function write(
  handle: FileHandle,
  pieces: AsyncIterable<Uint8Array>,
  start: number,
  { bytes, path: name }: RemoteFile,
  count: (bytes: number) => void,
): Promise<void> {
  let end = start;
  for await (const piece of pieces) {
    if (end + piece.byteLength > bytes) {
      throw expectedButFound('ERR_FORMAT', `${bytes} bytes, as the hub says,`, name, 'more');
    }
    for (let done = 0; done < piece.byteLength;) {
      const { bytesWritten } = await handle.write(piece, done, piece.byteLength - done, end + done);
      done += bytesWritten;
    }
    end += piece.byteLength;
    count(end);
  }
  if (end < bytes) throw new PassingFailure('the end of the connection');
}

/** By the hub's rule: sha-256 for large files, git's hash of a blob for the others. */
async function hashOf(partial: string, { hash, bytes }: RemoteFile, signal?: AbortSignal): Promise<string> {
  const hasher = hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
  await pipeline(createReadStream(partial, { highWaterMark: 2 ** 20 }), hasher, { signal });
  return hasher.digest('hex');
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.size;
}
