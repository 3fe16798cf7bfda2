import { expect } from 'chai';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import type * as Loader from '../../lib/llm/load-language-model';
import { root } from '../support/paths';
import { temporaryFolder } from '../support/temporary';
import { folderOf } from './support';

const lib = path.join(__dirname, '..', '..', 'lib');

describe('packages that language models need', () => {
  const at = temporaryFolder();

  /** Loads a model with the library in a place from where only `packages` can be found. */
  async function load(packages: readonly string[]): Promise<unknown> {
    const home = at(packages.join() || 'none');
    cpSync(lib, path.join(home, 'lib'), { recursive: true });
    mkdirSync(path.join(home, 'node_modules'));
    for (const name of packages)
      symlinkSync(path.join(root, 'node_modules', name), path.join(home, 'node_modules', name));
    const file = path.join(home, 'lib', 'llm', 'load-language-model.js');
    const { loadLanguageModel } = (await import(file)) as typeof Loader;
    return loadLanguageModel(folderOf('t5-tiny')).catch((error: unknown) => error);
  }

  it('are asked for by name: tokenizers', async () => {
    const error = await load([]);
    expect(error).to.have.property('code', 'ERR_UNSUPPORTED');
    expect(error)
      .to.have.property('message')
      .that.matches(/^Expected the package tokenizers \(npm install tokenizers\)/);
  });

  it('are asked for by name: onnxruntime-node', async () => {
    const error = await load(['tokenizers']);
    expect(error).to.have.property('code', 'ERR_UNSUPPORTED');
    expect(error)
      .to.have.property('message')
      .that.matches(/^Expected the package onnxruntime-node \(npm install onnxruntime-node\)/);
  });
});
