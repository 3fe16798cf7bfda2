import { expect } from 'chai';
import Fastify, { type FastifyInstance } from 'fastify';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { registerPage } from '../../lib/serve/page';
import { root } from '../support/paths';

describe("the page's files", () => {
  let app: FastifyInstance;
  before(() => {
    app = Fastify();
    registerPage(app);
  });
  after(() => app.close());

  it('come with their types, a strict policy and a tag that saves sending them twice', async () => {
    const types: [string, RegExp][] = [
      ['/', /^text\/html/],
      ['/page/base.css', /^text\/css/],
      ['/page/main.js', /^text\/javascript/],
      ['/page/icon.svg', /^image\/svg\+xml/],
      ['/page/samples/shapes.png', /^image\/png/],
      ['/page/samples/samples.json', /^application\/json/],
    ];
    for (const [url, type] of types) {
      const { statusCode, headers } = await app.inject(url);
      expect(statusCode, url).to.equal(200);
      expect(headers['content-type'], url).to.match(type);
      expect(headers['x-content-type-options'], url).to.equal('nosniff');
      expect(headers['content-security-policy'], url)
        .to.include("default-src 'none'")
        .and.not.match(/unsafe|\*|https?:|data:/);
      const again = await app.inject({ url, headers: { 'if-none-match': headers.etag } });
      expect([again.statusCode, again.body], url).to.deep.equal([304, '']);
    }
  });

  it('are all there, and nothing else is', async () => {
    const html = (await app.inject('/')).body;
    const linked = [...html.matchAll(/(?:href|src)="(page\/[^"]+)"/g)].map(([, url]) => `/${url}`);
    const modules = readdirSync(path.join(root, 'assets', 'page')).filter((name) => name.endsWith('.js'));
    const imported = modules.flatMap((name) => {
      const source = readFileSync(path.join(root, 'assets', 'page', name), 'utf8');
      return [...source.matchAll(/^import .* from '\.\/([^']+)'/gm)].map(([, file]) => `/page/${file}`);
    });
    expect(linked).to.have.length.above(3);
    expect(imported).to.have.length.above(10);
    for (const url of new Set([...linked, ...imported])) expect((await app.inject(url)).statusCode, url).to.equal(200);
    const absent = [
      '/page/package.json',
      '/page/tsconfig.json',
      '/page/samples/expected.json',
      '/page/../package.json',
      '/page/%2e%2e/%2e%2e/package.json',
      '/page/samples/..%2f..%2fREADME.md',
      '/page/',
    ];
    for (const url of absent) expect((await app.inject(url)).statusCode, url).to.equal(404);
  });

  it('hold nothing inline, and name no other origin', () => {
    for (const name of readdirSync(path.join(root, 'assets', 'page'))) {
      const source = readFileSync(path.join(root, 'assets', 'page', name), 'utf8');
      const urls = [...source.matchAll(/https?:\/\/[^\s"'`)]+/g)].map(([url]) => url);
      // A namespace is a name, not an address.
      expect(
        urls.filter((url) => url !== 'http://www.w3.org/2000/svg'),
        name,
      ).to.deep.equal([]);
      if (name.endsWith('.html')) expect(source).not.to.match(/<script(?![^>]* src=)|<style| style=| on\w+=/);
    }
  });
});
