import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Commits name folders, so nothing but a whole one is taken for one. */
const COMMIT = /^[0-9a-f]{40}$/;

export function isCommit(text: unknown): text is string {
  return typeof text === 'string' && COMMIT.test(text);
}

/**
 * One model's part of a Hugging Face cache, as Python's huggingface_hub reads and writes it:
 *
 *     models--org--name/blobs/<hash>                  contents
 *                       snapshots/<commit>/<file>     symbolic links to them
 *                       refs/<branch or tag>          a commit
 */
export class RepoCache {
  /** models--org--name */
  readonly folder: string;
  /** Held by the process that downloads this model; where huggingface_hub has its locks, under a name that it does not use. */
  readonly lock: string;

  constructor(cache: string, repo: string) {
    const name = ['models', ...repo.split('/')].join('--');
    this.folder = path.join(cache, name);
    this.lock = path.join(cache, '.locks', name, 'qavit.lock');
  }

  snapshot(commit: string): string {
    return path.join(this.folder, 'snapshots', commit);
  }

  blob(hash: string): string {
    return path.join(this.folder, 'blobs', hash);
  }

  /** The commit that a branch, tag or commit stands for here; undefined where nobody fetched it, and where its file is damaged. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return (await isFolder(this.snapshot(revision))) ? revision : undefined;
    const text = await readFile(this.ref(revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async setRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision)) return;
    await replace(this.ref(revision), (temporary) => writeFile(temporary, commit));
  }

  /** Lets a snapshot's file be a blob. Other processes see the link whole or not at all. */
  async link(commit: string, file: string, hash: string): Promise<void> {
    const [to, from] = [this.blob(hash), path.join(this.snapshot(commit), file)];
    await replace(from, (temporary) =>
      // Relative, so that a cache can be moved. A copy where there are no links: Windows without the right to make them.
      symlink(path.relative(path.dirname(from), to), temporary).catch(() => copyFile(to, temporary)),
    );
  }

  private ref(revision: string): string {
    return path.join(this.folder, 'refs', revision);
  }
}

async function replace(file: string, write: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = path.join(path.dirname(file), `.${randomUUID()}`);
  try {
    await write(temporary);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function isFolder(name: string): Promise<boolean> {
  return (await stat(name).catch(() => undefined))?.isDirectory() ?? false;
}
