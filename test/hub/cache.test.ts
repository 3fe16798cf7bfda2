import { expect } from 'chai';
import { execFile, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  promises,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { fetchModel } from '../../lib/hub';
import { expectRejection } from '../support/expect-error';
import { gitHash, sha256 } from '../support/fake-hub';
import { hubAndCache, named, towerFiles, WEIGHTS } from './support';

/** Opens the cache as Python users do. */
const PYTHON_READS = `
import sys
from huggingface_hub import scan_cache_dir, snapshot_download, try_to_load_from_cache
cache, repo = sys.argv[1:]
folder = snapshot_download(repo, cache_dir=cache, local_files_only=True)
assert try_to_load_from_cache(repo, "model.safetensors", cache_dir=cache).startswith(folder)
info = scan_cache_dir(cache)
assert not info.warnings, info.warnings
[found] = info.repos
[revision] = found.revisions
assert found.repo_id == repo and revision.refs == {"main"}, (found, revision)
print(folder, sorted(file.file_name for file in revision.files))
`;

const PYTHON_WRITES = `
import sys
from huggingface_hub import snapshot_download
cache, repo, endpoint = sys.argv[1:]
print(snapshot_download(repo, cache_dir=cache, endpoint=endpoint, token=False, ignore_patterns=["*.h5"]))
`;

const python = process.env.PYTHON || 'python3';

/** Skips the test, and says so, where there is no Python with huggingface_hub. */
function needPython(test: Mocha.Context): void {
  if (spawnSync(python, ['-c', 'import huggingface_hub']).status === 0) return;
  console.warn(`      SKIPPED: ${python} has no huggingface_hub (PYTHON names another)`);
  test.skip();
}

describe('the cache of models from a hub', () => {
  const { hub, cache, ensure, settings } = hubAndCache();
  const repo = (...parts: string[]): string => path.join(cache(), 'models--acme--tower', ...parts);

  it('has the layout of huggingface_hub: blobs by hash, links to them, a commit for a branch', async () => {
    const commit = hub().add('acme/tower', towerFiles());
    const folder = await ensure();
    expect(folder).to.equal(repo('snapshots', commit));
    expect(readFileSync(repo('refs', 'main'), 'utf8')).to.equal(commit);
    const config = Buffer.from(JSON.stringify({ model_type: 'clip_vision_model' }));
    expect(readlinkSync(path.join(folder, 'config.json'))).to.equal(`../../blobs/${gitHash(config)}`);
    expect(readlinkSync(path.join(folder, 'model.safetensors'))).to.equal(`../../blobs/${sha256(WEIGHTS)}`);
    expect(readFileSync(path.join(folder, 'model.safetensors')).equals(WEIGHTS)).to.equal(true);
    expect(existsSync(path.join(cache(), '.locks/models--acme--tower/qavit.lock'))).to.equal(false);
  });

  it('is read by huggingface_hub', async function () {
    needPython(this);
    hub().add('acme/tower', towerFiles());
    const folder = await ensure();
    const { stdout, stderr } = spawnSync(python, ['-c', PYTHON_READS, cache(), 'acme/tower'], { encoding: 'utf8' });
    expect(stdout, stderr).to.equal(`${folder} ['config.json', 'model.safetensors', 'preprocessor_config.json']\n`);
  });

  it('may have been written by huggingface_hub', async function () {
    needPython(this);
    // It takes redirections to another port for the hub's own, so that nothing lies on the storage here.
    hub().add('acme/tower', towerFiles({ large: false }));
    const run = promisify(execFile);
    const { stdout } = await run(python, ['-c', PYTHON_WRITES, cache(), 'acme/tower', hub().endpoint]);
    const { length } = hub().requests;
    expect(await ensure()).to.equal(stdout.trim());
    expect(hub().requests).to.have.length(length);
  });

  it('is asked first: what is there needs no server', async () => {
    hub().add('acme/tower', towerFiles());
    const folder = await ensure();
    const { length } = hub().requests;
    expect(await ensure()).to.equal(folder);
    expect(await ensure('acme/tower', 'tower', { offline: true })).to.equal(folder);
    expect(await ensure('acme/tower', 'tower', { settings: settings({ offlineBy: 'HF_HUB_OFFLINE' }) })).to.equal(
      folder,
    );
    expect(await ensure(`acme/tower@${path.basename(folder)}`)).to.equal(folder);
    expect(hub().requests).to.have.length(length);
  });

  it('keeps a branch at its commit until it is fetched again, and shares what two commits have in common', async () => {
    hub().add('acme/tower', towerFiles());
    const before = await ensure();
    const commit = hub().add('acme/tower', { ...towerFiles(), 'preprocessor_config.json': '{"size": 1}' });
    expect(await ensure()).to.equal(before);
    expect(await fetchModel(named('acme/tower'), undefined, { settings: settings() })).to.equal(
      repo('snapshots', commit),
    );
    expect(await ensure()).to.equal(repo('snapshots', commit));
    expect(hub().transfers).to.have.length(1);
  });

  it('completes what is there in part, from the same commit', async () => {
    const commit = hub().add('acme/tower', towerFiles());
    const folder = await ensure();
    rmSync(path.join(folder, 'model.safetensors'));
    await expectRejection(
      ensure('acme/tower', 'model', { offline: true }),
      'ERR_ARGUMENT',
      /^Expected acme\/tower at main for the cache but received .*snapshots\/[0-9a-f]{40} without model\.safetensors or .*\(offline as asked for\)\. With a network: npx qavit fetch acme\/tower$/,
    );
    expect(await ensure()).to.equal(repo('snapshots', commit));
    expect(hub().transfers, 'the blob was still there').to.have.length(1);
    rmSync(repo('blobs', sha256(WEIGHTS)));
    expect(existsSync(path.join(folder, 'model.safetensors')), 'a link to nothing').to.equal(false);
    await ensure();
    expect(hub().transfers).to.have.length(2);
    expect(hub().requests.at(-2)?.path).to.contain(commit);
  });

  it('says so where the hub no longer has the commit of what is here in part', async () => {
    const commit = hub().add('acme/tower', towerFiles());
    const folder = await ensure();
    rmSync(path.join(folder, 'model.safetensors'));
    hub().add('acme/tower', { ...towerFiles(), 'preprocessor_config.json': '{"size": 1}' });
    for (const name of ['acme/tower', `acme/tower@${commit}`]) {
      const message = new RegExp(
        `^Expected ${name.replace('@', ' at ')}.* for the cache but received .*/snapshots/${commit} without ` +
          'model\\.safetensors .*, and http.* no longer has this commit\\. For the newest: npx qavit fetch acme/tower$',
      );
      await expectRejection(ensure(name), 'ERR_ARGUMENT', message);
    }
  });

  it('takes files instead of links, and does not trust what a ref says', async () => {
    hub().add('acme/tower', towerFiles());
    const folder = await ensure();
    rmSync(path.join(folder, 'config.json'));
    writeFileSync(path.join(folder, 'config.json'), '{"model_type": "clip_vision_model"}');
    expect(lstatSync(await ensure()).isDirectory()).to.equal(true);
    for (const ref of ['', '../..', `../${'0'.repeat(40)}`, 'main']) {
      writeFileSync(repo('refs', 'main'), ref);
      await expectRejection(ensure('acme/tower', 'model', { offline: true }), 'ERR_ARGUMENT', /but received none in /);
    }
  });

  it('has copies where the file system makes no links', async () => {
    hub().add('acme/tower', towerFiles());
    const { symlink } = promises;
    promises.symlink = () => Promise.reject(Object.assign(new Error('no links here'), { code: 'EPERM' }));
    try {
      const folder = await ensure();
      const weights = path.join(folder, 'model.safetensors');
      expect(lstatSync(weights).isSymbolicLink()).to.equal(false);
      expect(readFileSync(weights).equals(WEIGHTS)).to.equal(true);
      expect(await ensure('acme/tower', 'model', { offline: true })).to.equal(folder);
      expect(readdirSync(folder).sort()).to.deep.equal([
        'config.json',
        'model.safetensors',
        'preprocessor_config.json',
      ]);
    } finally {
      promises.symlink = symlink;
    }
  });

  it('says what was looked for, where, why, and what to do', async () => {
    const message = (reason: string): RegExp =>
      new RegExp(
        `^Expected acme/tower at v2 for the cache but received none in ${repo()} \\(${reason}\\)\\. With a network: npx qavit fetch acme/tower@v2$`,
      );
    const offline = settings({ offlineBy: 'HF_HUB_OFFLINE' });
    await expectRejection(
      ensure('acme/tower@v2', 'tower', { offline: true }),
      'ERR_ARGUMENT',
      message('offline as asked for'),
    );
    await expectRejection(
      ensure('acme/tower@v2', 'tower', { settings: offline }),
      'ERR_ARGUMENT',
      message('offline because of HF_HUB_OFFLINE'),
    );
    await hub().close();
    const silent = message(`no answer from ${hub().endpoint}: ECONNREFUSED`);
    await expectRejection(ensure('acme/tower@v2'), 'ERR_NETWORK', silent);
    await expectRejection(
      fetchModel(named('acme/tower'), undefined, { settings: settings() }),
      'ERR_NETWORK',
      /ECONNREFUSED/,
    );
    expect(hub().requests).to.have.length(0);
  });

  it('says which folder cannot be written', async () => {
    hub().add('acme/tower', towerFiles());
    await ensure();
    renameSync(cache(), `${cache()}-away`);
    writeFileSync(cache(), 'a file where the cache should be');
    await expectRejection(ensure(), 'ERR_ARGUMENT', /a cache that can be written .* for .*cache-\d+ but received /);
  });
});
