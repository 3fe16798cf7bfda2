import { expect } from 'chai';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { hubSettings } from '../../lib/hub/settings';
import { expectThrow } from '../support/expect-error';

describe('hub tokens', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'qavit-token-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  const save = (text: string, name = 'token'): string => {
    const file = path.join(home, name);
    writeFileSync(file, text);
    return file;
  };
  const found = (environment: Record<string, string>) => hubSettings({ HF_HOME: home, ...environment }).token;

  it('are found where huggingface_hub finds them, variables first', () => {
    expect(found({})).to.equal(undefined);
    const file = save('hf_saved\n');
    expect(found({})).to.deep.equal({ secret: 'hf_saved', source: file });
    const other = save('hf_other', 'elsewhere');
    expect(found({ HF_TOKEN_PATH: other })).to.deep.equal({ secret: 'hf_other', source: other });
    expect(found({ HF_TOKEN: '', HUGGING_FACE_HUB_TOKEN: 'hf_old', HF_TOKEN_PATH: other })).to.deep.equal({
      secret: 'hf_old',
      source: 'HUGGING_FACE_HUB_TOKEN',
    });
    expect(found({ HF_TOKEN: ' hf_x\n', HUGGING_FACE_HUB_TOKEN: 'hf_old' })).to.deep.equal({
      secret: 'hf_x',
      source: 'HF_TOKEN',
    });
    expect(found({ HF_TOKEN: 'hf_x', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).to.equal(undefined);
    const near = path.relative(homedir(), other);
    if (!path.isAbsolute(near)) expect(found({ HF_TOKEN_PATH: `~/${near}` })?.secret).to.equal('hf_other');
  });

  it('that were saved go to the endpoint alone that they were made at', () => {
    save('hf_saved');
    expect(found({ HF_ENDPOINT: 'https://mirror.example' })).to.equal(undefined);
    expect(found({ HF_ENDPOINT: 'https://huggingface.co/' })?.secret).to.equal('hf_saved');
    expect(found({ HF_ENDPOINT: 'https://mirror.example', HF_TOKEN: 'hf_x' })?.secret).to.equal('hf_x');
  });

  it('are not looked for in what is no small file, nor is it an error', () => {
    expect(found({ HF_TOKEN_PATH: path.join(home, 'nothing', 'here') })).to.equal(undefined);
    expect(found({ HF_TOKEN_PATH: '/dev/zero' })).to.equal(undefined);
    for (const text of ['', ' \n', 'x'.repeat(5000)]) {
      save(text);
      expect(found({}), `${text.length} characters`).to.equal(undefined);
    }
    rmSync(path.join(home, 'token'));
    mkdirSync(path.join(home, 'token'));
    expect(found({})).to.equal(undefined);
  });

  it('that no header can hold are refused, and not shown', () => {
    const hidden = /^(?!.*s3cr)Expected printable ASCII .* for (HF_TOKEN|.*token) /;
    for (const secret of ['s3cret s3cret', 's3cret\r\nx: y', 's3crät']) {
      expectThrow(() => found({ HF_TOKEN: secret }), 'ERR_ARGUMENT', hidden);
      save(secret);
      expectThrow(() => found({}), 'ERR_ARGUMENT', hidden);
    }
  });
});
