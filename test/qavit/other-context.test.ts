import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { compileFunction, createContext } from 'node:vm';
import * as here from '../../lib';
import type * as Ops from '../../lib/ops';
import { root } from '../support/paths';

/** What a test runner puts into the context that it makes for a test file (jest-environment-node's, as far as we need it). */
const SHARED = {
  ...{ AbortController, AbortSignal, Buffer, URL, Uint8Array, clearTimeout, fetch, process, performance },
  ...{ queueMicrotask, setTimeout, structuredClone, TextDecoder, TextEncoder },
};

/** Loads dist/lib anew in a context of its own, where every class of JavaScript is another; other packages are shared. */
function libraryElsewhere(): <T>(entry: string) => T {
  const parsingContext = createContext({ ...SHARED });
  const loaded = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const known = loaded.get(file);
    if (known) return known.exports;
    const module: { exports: unknown } = { exports: {} };
    loaded.set(file, module);
    const outer = createRequire(file);
    const require = (name: string): unknown =>
      name.startsWith('.') && !name.endsWith('.node') ? load(outer.resolve(name)) : (outer(name) as unknown);
    const names = ['exports', 'require', 'module', '__filename', '__dirname'];
    const run = compileFunction(readFileSync(file, 'utf8'), names, { filename: file, parsingContext }) as (
      ...values: unknown[]
    ) => void;
    run(module.exports, require, module, file, path.dirname(file));
    return module.exports;
  };
  return <T>(entry: string) => load(path.join(root, 'dist', 'lib', entry)) as T;
}

describe('library in another context, as under Jest', () => {
  const elsewhere = libraryElsewhere();
  /** Not `await using`: in a new context Node.js 20 has no Symbol.asyncDispose. */
  let model: here.QAViT | undefined;
  afterEach(() => model?.close());
  const image = path.join(root, 'models', 'demo', 'samples', 'shapes.png');

  it('loads a model, answers, and takes arrays of either context', async () => {
    const { QAViT } = elsewhere<typeof here>('index.js');
    model = await QAViT.load('demo', { device: 'cpu', dtype: 'f32' });
    let answer = '';
    for await (const text of model.ask(image, 'what digit is on the red square?')) answer += text;
    expect(answer.trim()).to.equal('8');
    expect((await model.attend(readFileSync(image), 'what?')).layers).to.have.length(3);

    const { grid, Dq } = model.info;
    const data = Float32Array.from({ length: 2 * Dq! }, (_, i) => Math.sin(i));
    const { key, shape } = await model.encode(image, { data, shape: [2, Dq!] });
    expect(shape[0]).to.equal(grid.rows * grid.columns + 1);
    expect(key).to.match(/^[0-9a-f]{64}$/);
  });

  it('computes with arrays of either context alike', async () => {
    const { ops } = elsewhere<typeof Ops>('ops.js');
    const x = { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] };
    const { data } = await ops.linear(x, { weight: { data: Float32Array.of(0, 1, 1, 0), shape: [2, 2] } });
    expect([...data]).to.deep.equal([2, 1, 4, 3]);
  });

  it('rejects with the QAViTError of its own context', async () => {
    const { QAViT, QAViTError } = elsewhere<typeof here>('index.js');
    model = await QAViT.load(path.join(root, 'models', 'demo', 'tower'), { device: 'cpu' });
    const error: unknown = await model.encode('/no/such/picture.png', null).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(QAViTError).and.to.include({ code: 'ERR_ARGUMENT' });
  });

  it("leaves the addon's errors to each copy of the library", async () => {
    for (const { QAViT, QAViTError } of [
      elsewhere<typeof here>('index.js'),
      here,
      elsewhere<typeof here>('index.js'),
    ]) {
      // A GPU that is not there is found out by the addon's error.
      model = await QAViT.load('demo');
      await model.close();
      const error: unknown = await QAViT.load('demo', { device: 'cuda:999' }).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(QAViTError).and.to.include({ code: 'ERR_UNSUPPORTED' });
    }
  });
});
