import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type {} from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { packageRoot } from '../package-root';

const PAGE = path.join(packageRoot, 'assets', 'page');
const SAMPLES = path.join(packageRoot, 'models', 'demo', 'samples');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/**
 * Everything from this server and nothing inline: what a model says, or a file is called, cannot become code. Pictures are drawn from bytes
 * that the page holds already.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // A newer version of the package serves newer files under the same names; unchanged ones cost a 304.
  'cache-control': 'no-cache',
};

interface PageFile {
  url: string;
  type: string;
  bytes: Buffer;
  tag: string;
}

function pageFile(url: string, bytes: Buffer): PageFile {
  const tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { url, type: TYPES[path.extname(url)] ?? TYPES['.html']!, bytes, tag };
}

/** The list of samples and the pictures that it names; whoever serves a model of their own may have left the demo's folder out. */
function samples(): PageFile[] {
  const list = path.join(SAMPLES, 'samples.json');
  const bytes = existsSync(list) ? readFileSync(list) : Buffer.from('[]');
  const names = (JSON.parse(bytes.toString()) as { image: string }[]).map(({ image }) => image);
  const pictures = names.map((name) => pageFile(`/page/samples/${name}`, readFileSync(path.join(SAMPLES, name))));
  return [pageFile('/page/samples/samples.json', bytes), ...pictures];
}

/** All that the page consists of, read once: no request leads to a path, so none can lead out of the folder. */
function pageFiles(): PageFile[] {
  const read = (name: string): Buffer => readFileSync(path.join(PAGE, name));
  const parts = readdirSync(PAGE).filter((name) => /\.(css|js|svg)$/.test(name));
  return [
    pageFile('/', read('index.html')),
    ...parts.map((name) => pageFile(`/page/${name}`, read(name))),
    ...samples(),
  ];
}

/**
 * The page at `/` and its files below `/page/`. They are the same for everyone and hold nothing secret, so they need no API key; what the page
 * asks of /v1 does.
 */
export function registerPage(app: FastifyInstance): void {
  for (const { url, type, bytes, tag } of pageFiles()) {
    app.get(url, { schema: { hide: true } }, (request, reply) => {
      void reply.headers({ ...HEADERS, etag: tag });
      if (request.headers['if-none-match'] === tag) return reply.code(304).send();
      return reply.type(type).send(bytes);
    });
  }
}
