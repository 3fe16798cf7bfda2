import { existsSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import { aborted } from '../calls/abort';
import { expectedButFound, QAViTError } from '../errors';
import { type JsonObject, readJsonObject } from '../json-file';
import type { OnnxDType } from '../llm/onnx/onnx-folder';
import { HubClient, NoSuchRevision, Unreachable } from './client';
import { downloadBlob, missingBytes } from './download';
import { Listing } from './listing';
import { withLock } from './lock';
import type { HubName } from './name';
import { type FileSource, graphsFolder, neededFiles, type Needs, type Role, roleOf } from './needs';
import { Progress, type DownloadProgress } from './progress';
import { isCommit, RepoCache } from './repo-cache';
import { type HubSettings, hubSettings } from './settings';

/** Files of a few KB that say what a model is; a tokenizer is none. */
const CONFIGURATION = /(^|\/)((\w+_)?config|.*\.index)\.json$/;

export interface HubOptions {
  /** Take what is in the cache, or fail. */
  readonly offline?: boolean;
  /** Of the precisions that a language model's ONNX files come in. */
  readonly languageDType?: OnnxDType | 'auto';
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Instead of the environment's. */
  readonly settings?: HubSettings;
}

/**
 * The folder of a model in the Hugging Face cache; what is missing there of what `role` needs is downloaded first. A model that is
 * complete is taken as it is: no server is asked whether there is a newer one.
 *
 * @throws QAViTError ERR_ARGUMENT (not here and offline; no such model, no access), ERR_NETWORK, ERR_FORMAT (content that is not what
 *   the hub says it is, or no model), ERR_ABORTED
 */
export async function ensureModel(name: HubName, role: Role, options: HubOptions = {}): Promise<string> {
  const settings = options.settings ?? hubSettings();
  const cache = new RepoCache(settings.cache, name.repo);
  const commit = await cache.commitOf(name.revision);
  const found = commit === undefined ? undefined : await inFolder(cache.snapshot(commit), role, options.languageDType);
  if (commit !== undefined && found?.missing.length === 0) return cache.snapshot(commit);
  // What is here in part is completed from the same commit: parts of two would not fit together.
  return obtain(cache, { ...name, commit }, role, describeHere(cache, commit, found), { ...options, settings });
}

/**
 * The folder of a model in the cache, whole or in part. Of one that is not there at all its configuration is downloaded.
 *
 * @throws QAViTError as ensureModel()
 */
export async function ensureConfigs(name: HubName, role: Role | undefined, options: HubOptions = {}): Promise<string> {
  const settings = options.settings ?? hubSettings();
  const cache = new RepoCache(settings.cache, name.repo);
  const commit = await cache.commitOf(name.revision);
  if (commit !== undefined && existsSync(cache.snapshot(commit))) return cache.snapshot(commit);
  return obtain(cache, name, role, describeHere(cache, undefined), { ...options, settings, only: CONFIGURATION });
}

/**
 * Downloads what a model needs, of the newest commit of its branch. Without a role its config.json says what it is.
 *
 * @throws QAViTError as ensureModel()
 */
export async function fetchModel(name: HubName, role: Role | undefined, options: HubOptions = {}): Promise<string> {
  const settings = options.settings ?? hubSettings();
  if (options.offline || settings.offlineBy) {
    throw expectedButFound('ERR_ARGUMENT', 'a network', `fetching ${name.repo}`, reasonOf(options, settings));
  }
  return download(new RepoCache(settings.cache, name.repo), name, role, { ...options, settings });
}

interface Settled extends HubOptions {
  readonly settings: HubSettings;
  /** Leaves out what is needed and has another name. */
  readonly only?: RegExp;
}

type Wanted = HubName & { readonly commit?: string };

/** download(), with what is `here` in the message where that cannot be. */
async function obtain(cache: RepoCache, wanted: Wanted, role: Role | undefined, here: string, how: Settled) {
  const { offline, settings } = how;
  if (offline || settings.offlineBy) throw notHere('ERR_ARGUMENT', wanted, here, reasonOf(how, settings));
  try {
    return await download(cache, wanted, role, how);
  } catch (error) {
    if (error instanceof NoSuchRevision && wanted.commit !== undefined) {
      const { repo, revision, given } = wanted;
      const newest = isCommit(revision) ? repo : given;
      const found = `${here}, and ${settings.endpoint} no longer has this commit. For the newest: npx qavit fetch ${newest}`;
      throw expectedButFound('ERR_ARGUMENT', `${repo} at ${revision}`, 'the cache', found);
    }
    if (!(error instanceof Unreachable)) throw error;
    throw notHere('ERR_NETWORK', wanted, here, `no answer from ${error.origin}: ${error.reason}`);
  }
}

async function download(
  cache: RepoCache,
  { repo, revision, commit }: Wanted,
  role: Role | undefined,
  { settings, signal, onProgress, languageDType, only = /^/ }: Settled,
): Promise<string> {
  const progress = new Progress(repo, onProgress);
  try {
    signal?.throwIfAborted();
    const client = new HubClient(settings, repo, signal);
    const listing = await Listing.fetch(client, repo, commit ?? revision, signal);
    const { beatMs } = settings;
    return await withLock(cache.lock, { beatMs, signal, onWait: () => progress.wait() }, async () => {
      const remote = new Remote({ repo, cache, client, listing, progress, signal });
      const needs = await neededFiles(remote, role ?? (await roleAt(remote)), languageDType);
      const [missing] = needs.missing;
      if (missing !== undefined) throw expectedButFound('ERR_FORMAT', missing, listing.where, 'none');
      await remote.fetch(needs.files.filter((file) => only.test(file)));
      // Last: an interrupted update leaves the branch at what it was, which is complete.
      await cache.setRef(revision, listing.commit);
      return cache.snapshot(listing.commit);
    });
  } catch (error) {
    throw signal?.aborted ? aborted(`the download of ${repo}`, signal.reason) : ofFiles(error, settings);
  }
}

/** What a model is fetched for where nobody says it. A language model that nothing here computes can still read questions. */
async function roleAt(remote: Remote): Promise<Role> {
  const role = roleOf(await remote.json('config.json'), remote.where('config.json'));
  return role === 'language' && graphsFolder(remote) === undefined ? 'questions' : role;
}

interface RemoteParts {
  readonly repo: string;
  readonly cache: RepoCache;
  readonly client: HubClient;
  readonly listing: Listing;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** A model's files at the hub, of which those that are asked for come into the cache. */
class Remote implements FileSource {
  constructor(private readonly parts: RemoteParts) {}

  has(name: string): boolean {
    return this.parts.listing.has(name);
  }

  where(name: string): string {
    return `${name} of ${this.parts.listing.where}`;
  }

  async json(name: string): Promise<JsonObject> {
    await this.fetch([name]);
    const { cache, listing } = this.parts;
    return readJsonObject(path.join(cache.snapshot(listing.commit), name));
  }

  async fetch(names: readonly string[]): Promise<void> {
    const { repo, cache, client, listing, progress, signal } = this.parts;
    const files = [...new Set(names)].map((name) => listing.file(name));
    progress.expect(files);
    const missing = await Promise.all(files.map((file) => missingBytes(file, cache.blob(file.hash))));
    await expectSpace(
      cache.folder,
      missing.reduce((sum, bytes) => sum + bytes, 0),
    );
    for (const file of files) {
      const steps = file.path.split('/').map(encodeURIComponent).join('/');
      const url = `${client.settings.endpoint}/${repo}/resolve/${listing.commit}/${steps}`;
      const onBytes = (bytes: number): void => progress.at(file, bytes);
      await downloadBlob(client, { url, file, blob: cache.blob(file.hash), signal, onBytes });
      await cache.link(listing.commit, file.path, file.hash);
    }
  }
}

async function expectSpace(folder: string, bytes: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { blocks, bavail, bsize } = await statfs(folder);
  // Some network file systems do not tell: they claim to have no blocks at all.
  if (bytes <= bavail * bsize || blocks === 0) return;
  const found = `${bavail * bsize}; HF_HUB_CACHE can name another disk`;
  throw expectedButFound('ERR_ARGUMENT', `${bytes} bytes free`, folder, found);
}

/** What a folder has of what a role needs. */
export function inFolder(folder: string, role: Role, dtype?: OnnxDType | 'auto'): Promise<Needs> {
  const at = (name: string): string => path.join(folder, name);
  // A link whose blob is gone does not exist for existsSync.
  return neededFiles(
    { has: (name) => existsSync(at(name)), json: (name) => readJsonObject(at(name)), where: at },
    role,
    dtype,
  );
}

function describeHere(cache: RepoCache, commit: string | undefined, found?: Needs): string {
  if (commit === undefined) return `none in ${cache.folder}`;
  return `${cache.snapshot(commit)} without ${found?.missing.join(', ') ?? 'anything'}`;
}

function notHere(
  code: 'ERR_ARGUMENT' | 'ERR_NETWORK',
  { repo, revision, given }: HubName,
  here: string,
  reason: string,
): QAViTError {
  const found = `${here} (${reason}). With a network: npx qavit fetch ${given}`;
  return expectedButFound(code, `${repo} at ${revision}`, 'the cache', found);
}

function reasonOf({ offline }: HubOptions, { offlineBy }: HubSettings): string {
  return offline ? 'offline as asked for' : `offline because of ${offlineBy}`;
}

/** A full disk, a cache that may not be written: failures of the file system have a code and a path. */
function ofFiles(error: unknown, { cache }: HubSettings): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof QAViTError || code === undefined || syscall === undefined) return error;
  const what = 'a cache that can be written (HF_HUB_CACHE names another)';
  return expectedButFound('ERR_ARGUMENT', what, cache, message);
}
