import { expect } from 'chai';
import { parseHubName } from '../../lib/hub';
import { expectThrow } from '../support/expect-error';

describe('names of models at a hub', () => {
  it('are org/name, with a revision behind @ and hf: in front', () => {
    const given = 'openai/clip-vit-base-patch32';
    expect(parseHubName(given)).to.deep.equal({ repo: given, revision: 'main', given, explicit: false });
    expect(parseHubName(`hf:${given}`)).to.include({ repo: given, revision: 'main', explicit: true });
    expect(parseHubName('a/b@v1.0')).to.include({ repo: 'a/b', revision: 'v1.0' });
    expect(parseHubName('a/b@refs/pr/3')).to.include({ repo: 'a/b', revision: 'refs/pr/3' });
    expect(parseHubName(`A_1/b.c-d@${'0'.repeat(40)}`)).to.include({ repo: 'A_1/b.c-d', revision: '0'.repeat(40) });
  });

  it('are no paths', () => {
    const paths = ['', 'demo', './a/b', '../a', 'a/', '/a', '/a/b', 'a/b/c', 'a\\b', '~/a', 'a b/c', 'a/b\0', 'C:/a'];
    const nearly = ['a--b/c', 'a..b/c', '.a/b', 'a/-b', 'a/b.', `a/${'b'.repeat(97)}`, 'ä/b', 'a/b\n', 'https://a/b'];
    for (const given of [...paths, ...nearly]) expect(parseHubName(given), given).to.equal(undefined);
  });

  it('are refused where they can be nothing else', () => {
    for (const given of ['hf:', 'hf:demo', 'hf:a/b/c', 'hf:../b', 'hf:/a/b', `hf:a/${'b'.repeat(300)}`]) {
      expectThrow(() => parseHubName(given), 'ERR_ARGUMENT', /hf:org\/name or hf:org\/name@revision/);
    }
    for (const revision of ['', '..', 'a/../b', '/a', 'a/', 'a//b', 'a b', '-a', 'a.lock', 'a\0', 'a@b', 'a.']) {
      expectThrow(() => parseHubName(`a/b@${revision}`), 'ERR_ARGUMENT', /a branch, tag or commit behind @/);
    }
  });
});
