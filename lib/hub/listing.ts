import { expectedButFound, QAViTError } from '../errors';
import type * as Hub from '@huggingface/hub';
import type { HubClient } from './client';
import { PassingFailure, persist } from './persist';
import { isCommit } from './repo-cache';

/** The largest repositories have some ten thousand. */
const MAX_FILES = 100_000;
/** The hub's have a thousand entries each; a mirror's may have a hundred. */
const MAX_PAGES = 1000;
/** A name in a path that stays where it is: not `..`, nothing that a system reads as another folder, no longer than systems take. */
const STEP = /^(?!\.{0,2}$)[^\\:\p{Cc}]{1,200}$/u;

/** What a listing says of a file. By a type of ours, since the library's cannot be compiled where libraries' types are checked. */
interface Entry {
  readonly size: number;
  readonly oid?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}

/** A file at the hub: what it is called, how long it is, and by which hash it is known. */
export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** sha-256 of a large file (LFS), git's hash of a small one; what the cache calls its blob. */
  readonly hash: string;
}

/** What a model's repository holds at one commit. */
export class Listing {
  constructor(
    readonly commit: string,
    private readonly entries: ReadonlyMap<string, Entry>,
    /** For messages. */
    readonly where: string,
  ) {}

  /**
   * @param revision branch, tag or commit
   * @throws QAViTError ERR_ARGUMENT (no such model, no access), ERR_NETWORK, ERR_FORMAT (an answer that is no listing)
   */
  static async fetch(client: HubClient, repo: string, revision: string, signal?: AbortSignal): Promise<Listing> {
    const { endpoint: hubUrl, retryMs } = client.settings;
    const where = `${repo} at ${hubUrl}`;
    try {
      return await persist(() => ask(client, repo, revision, where), { retryMs, signal });
    } catch (error) {
      if (error instanceof QAViTError || signal?.aborted) throw error;
      const { message } = error as Error;
      const code = error instanceof PassingFailure ? 'ERR_NETWORK' : 'ERR_FORMAT';
      throw expectedButFound(code, 'a list of files', where, message);
    }
  }

  has(path: string): boolean {
    return this.entries.has(path);
  }

  /** @throws QAViTError ERR_FORMAT where the hub says of it what cannot be: paths and hashes become names of files here */
  file(path: string): RemoteFile {
    const entry = this.entries.get(path);
    if (!entry) throw expectedButFound('ERR_FORMAT', path, this.where, 'none');
    if (path.split('/').some((step) => !STEP.test(step))) {
      throw expectedButFound('ERR_FORMAT', 'the path of a file', this.where, JSON.stringify(path.slice(0, 200)));
    }
    const { lfs, oid, size: own } = entry;
    const [hash, bytes, digits] = lfs ? [lfs.oid, lfs.size, 64] : [oid, own, 40];
    const hex = typeof hash === 'string' && new RegExp(`^[0-9a-f]{${digits}}$`).test(hash);
    if (hex && Number.isSafeInteger(bytes) && bytes >= 0) return { path, bytes, hash };
    const found = JSON.stringify({ hash, bytes })?.slice(0, 200);
    throw expectedButFound('ERR_FORMAT', 'a hash and a size', `${path} of ${this.where}`, found);
  }
}

async function ask(client: HubClient, repo: string, revision: string, where: string): Promise<Listing> {
  // Loaded where it is needed: a model that is here must not wait for it.
  const { listFiles, modelInfo } = require('@huggingface/hub') as typeof Hub;
  const { fetch, settings } = client;
  const hubUrl = settings.endpoint;
  const { sha } = await modelInfo({ name: repo, revision, additionalFields: ['sha'], hubUrl, fetch });
  if (!isCommit(sha)) throw expectedButFound('ERR_FORMAT', 'a commit', `${revision} of ${where}`, 'none');
  const entries = new Map<string, Entry>();
  const pages = listFiles({ repo, recursive: true, revision: sha, hubUrl, fetch: forPages(fetch, where) });
  for await (const entry of pages) {
    if (entry.type === 'file') entries.set(entry.path, entry);
    if (entries.size > MAX_FILES) throw expectedButFound('ERR_FORMAT', `at most ${MAX_FILES} files`, where, 'more');
  }
  return new Listing(sha, entries, where);
}

/** A listing's pages say where the next one is: no page is read twice, and there is an end. */
function forPages(get: typeof fetch, where: string): typeof fetch {
  const seen = new Set<string>();
  return (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    if (seen.has(url)) throw expectedButFound('ERR_FORMAT', 'each page once', `the files of ${where}`, 'one again');
    if (seen.size === MAX_PAGES) {
      throw expectedButFound('ERR_FORMAT', `at most ${MAX_PAGES} pages`, `the files of ${where}`, 'more');
    }
    seen.add(url);
    return get(input, init);
  };
}
