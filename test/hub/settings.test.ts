import { expect } from 'chai';
import { homedir } from 'node:os';
import path from 'node:path';
import { cacheFolder } from '../../lib/hub/environment';
import { hubSettings } from '../../lib/hub/settings';
import { expectThrow } from '../support/expect-error';

describe('hub settings', () => {
  it('finds the cache where huggingface_hub does', () => {
    const all = { HF_HUB_CACHE: '/1', HUGGINGFACE_HUB_CACHE: '/2', HF_HOME: '/3', XDG_CACHE_HOME: '/4' };
    expect(cacheFolder(all)).to.equal('/1');
    expect(cacheFolder({ ...all, HF_HUB_CACHE: '' })).to.equal('/2');
    expect(cacheFolder({ HF_HOME: '/3', XDG_CACHE_HOME: '/4' })).to.equal('/3/hub');
    expect(cacheFolder({ XDG_CACHE_HOME: '/4' })).to.equal('/4/huggingface/hub');
    expect(cacheFolder({})).to.equal(path.join(homedir(), '.cache/huggingface/hub'));
    expect(cacheFolder({ HF_HOME: '~/models' })).to.equal(path.join(homedir(), 'models/hub'));
    expect(cacheFolder({ XDG_CACHE_HOME: '~/x' })).to.equal(path.join(homedir(), 'x/huggingface/hub'));
    const disks = { DISK: '/disk', 'A B': '$DISK', EMPTY: '' };
    for (const [text, folder] of [
      ['$DISK/x', '/disk/x'],
      ['/a${DISK}x/~', '/a/diskx/~'],
      ['/${A B}/$EMPTY/x', '/$DISK/x'],
      ['/$DISKS/${NONE}/$', '/$DISKS/${NONE}/$'],
      ['~/$A', path.join(homedir(), '$A')],
    ] as const) {
      expect(cacheFolder({ ...disks, HF_HUB_CACHE: text })).to.equal(folder);
      expect(cacheFolder({ ...disks, HF_HOME: text })).to.equal(path.join(folder, 'hub'));
    }
    expect(cacheFolder({ HF_HUB_CACHE: 'near' })).to.equal(path.resolve('near'));
  });

  it('reads endpoint, offline and timeout', () => {
    expect(hubSettings({})).to.include({ endpoint: 'https://huggingface.co', offlineBy: undefined });
    expect(hubSettings({ HF_ENDPOINT: 'http://mirror:8080/api/hub/' }).endpoint).to.equal('http://mirror:8080/api/hub');
    for (const name of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) {
      for (const yes of ['1', 'ON', 'yes', 'True']) expect(hubSettings({ [name]: yes }).offlineBy).to.equal(name);
      for (const no of ['', '0', 'no']) expect(hubSettings({ [name]: no }).offlineBy).to.equal(undefined);
    }
    const { offlineBy } = hubSettings({ HF_HUB_OFFLINE: '0', TRANSFORMERS_OFFLINE: '1' });
    expect(offlineBy, 'the first that says anything').to.equal(undefined);
    expect(hubSettings({ HF_HUB_DOWNLOAD_TIMEOUT: '2.5' }).timeoutMs).to.equal(2500);
  });

  it('refuses what makes no sense, and shows no secret', () => {
    const refuse = (environment: Record<string, string>, message: RegExp): void =>
      expectThrow(() => hubSettings(environment), 'ERR_ARGUMENT', message);
    const hidden = /^(?!.*s3cret)Expected .* for HF_ENDPOINT /;
    for (const endpoint of ['https://me:s3cret@host', 'ftp://s3cret', 's3cret', 'https://host/?key=s3cret']) {
      refuse({ HF_ENDPOINT: endpoint }, hidden);
    }
    for (const timeout of ['0', '-1', 'soon', '1e9']) {
      refuse({ HF_HUB_DOWNLOAD_TIMEOUT: timeout }, /HF_HUB_DOWNLOAD_TIMEOUT/);
    }
  });
});
