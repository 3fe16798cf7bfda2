import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A file as the hub has it; `bytes` and `hash` are what the listing says, true unless given. */
export interface HubFile {
  content: Buffer;
  /** Kept by another server, as large files are. */
  large?: boolean;
  bytes?: unknown;
  hash?: unknown;
}

export interface HubRequest {
  server: 'hub' | 'storage';
  path: string;
  headers: IncomingMessage['headers'];
}

/** May answer in the hub's place: true where it did. */
export type Fault = (request: HubRequest, response: ServerResponse) => boolean;

export const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
export const gitHash = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

/** A hub on loopback, with a second server for large files. Counts and keeps what it is asked. */
export class FakeHub {
  readonly requests: HubRequest[] = [];
  fault: Fault = () => false;
  private readonly repos = new Map<string, { commit: string; files: Map<string, HubFile> }>();

  private constructor(
    private readonly hub: Server,
    private readonly storage: Server,
    readonly endpoint: string,
    readonly storageOrigin: string,
  ) {}

  static async start(): Promise<FakeHub> {
    const [hub, storage] = [createServer(), createServer()];
    await Promise.all([hub, storage].map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))));
    const fake = new FakeHub(hub, storage, origin(hub), origin(storage));
    hub.on('request', (request, response) => fake.answer('hub', request, response));
    storage.on('request', (request, response) => fake.answer('storage', request, response));
    return fake;
  }

  /** Puts a model there, or another commit of it. */
  add(repo: string, files: Readonly<Record<string, Buffer | string | HubFile>>): string {
    const entries = Object.entries(files).map(([name, file]): [string, HubFile] => {
      if (typeof file === 'string') return [name, { content: Buffer.from(file) }];
      return [name, Buffer.isBuffer(file) ? { content: file } : file];
    });
    const commit = gitHash(Buffer.from(JSON.stringify(entries)));
    this.repos.set(repo, { commit, files: new Map(entries) });
    return commit;
  }

  /** What the storage was asked for, with the ranges. */
  get transfers(): string[] {
    return this.requests.filter(({ server }) => server === 'storage').map(({ headers }) => headers.range ?? 'all');
  }

  /** Paths of the files that were asked for. */
  get resolved(): string[] {
    return this.requests.flatMap(({ path }) => /\/resolve\/[0-9a-f]{40}\/(.*)$/.exec(path)?.[1] ?? []);
  }

  async close(): Promise<void> {
    for (const server of [this.hub, this.storage]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  private answer(server: HubRequest['server'], request: IncomingMessage, response: ServerResponse): void {
    const asked = { server, path: request.url ?? '', headers: request.headers };
    this.requests.push(asked);
    if (this.fault(asked, response)) return;
    if (server === 'storage') return this.send(response, this.stored(asked.path), asked);
    const [, api, repo = '', kind, rest = ''] =
      /^(\/api\/models)?\/([^/]+\/[^/]+)\/(revision|tree|resolve)\/(.*)$/.exec(asked.path) ?? [];
    const model = this.repos.get(repo);
    if (!model) return refuse(response, 404, 'RepoNotFound');
    const [revision = ''] = decodeURIComponent(rest).split(/[/?]/);
    if (revision !== 'main' && revision !== model.commit) return refuse(response, 404, 'RevisionNotFound');
    if (api && kind === 'revision') return json(response, { _id: '1', id: repo, sha: model.commit });
    if (api) return json(response, [...model.files].map(entryOf));
    const file = model.files.get(decodeURIComponent(rest.slice(revision.length + 1)));
    if (!file) return refuse(response, 404, 'EntryNotFound');
    const hash = file.large ? sha256(file.content) : gitHash(file.content);
    response.setHeader('x-repo-commit', model.commit).setHeader('etag', `"${hash}"`);
    if (!file.large) return this.send(response, file.content, asked);
    response.setHeader('x-linked-etag', `"${hash}"`).setHeader('x-linked-size', file.content.length);
    response.writeHead(302, { location: `${this.storageOrigin}/${sha256(file.content)}?signature=secret` }).end();
  }

  private stored(path: string): Buffer {
    const hash = path.slice(1, 65);
    const all = [...this.repos.values()].flatMap(({ files }) => [...files.values()]);
    return all.find(({ content }) => sha256(content) === hash)?.content ?? Buffer.alloc(0);
  }

  private send(response: ServerResponse, content: Buffer, { headers }: HubRequest): void {
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? -1);
    if (start < 0) return void response.writeHead(200, { 'content-length': content.length }).end(content);
    if (start >= content.length) return void response.writeHead(416).end();
    const range = `bytes ${start}-${content.length - 1}/${content.length}`;
    response.writeHead(206, { 'content-range': range, 'content-length': content.length - start });
    response.end(content.subarray(start));
  }
}

function origin(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function entryOf([path, { content, large, bytes = content.length, hash }]: [string, HubFile]) {
  const pointer = { type: 'file', path, size: bytes };
  if (!large) return { ...pointer, oid: hash ?? gitHash(content) };
  const lfs = { oid: hash ?? sha256(content), size: bytes, pointerSize: 130 };
  return { ...pointer, oid: gitHash(Buffer.from(`pointer to ${path}`)), lfs };
}

export function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

export function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'x-error-code': code, 'x-error-message': `no: ${code}` }).end();
}
