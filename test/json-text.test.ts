import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { readJsonObject } from '../lib/json-file';
import { parseJson } from '../lib/json-text';
import { expectRejection, expectThrow } from './support/expect-error';
import { temporaryFolder } from './support/temporary';

describe('JSON of others', () => {
  const at = temporaryFolder();
  const parse = (text: string) => parseJson(text, 'JSON', 'a.json');
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

  it('is read whatever its strings hold', () => {
    for (const value of ['', '"', '\\', '[{,'.repeat(1000), '\\"[', '\u2028', { 'a"[': ['\\\\', '{'.repeat(200)] }])
      expect(parse(JSON.stringify(value))).to.deep.equal(value);
  });

  it('is refused where it is damaged', () => {
    for (const text of ['', '"', '"\\', '{"a', '[', ']', '[1,]', '}{', '\uFEFF{}'])
      expectThrow(() => parse(text), 'ERR_FORMAT', /^Expected JSON for a\.json but received text that is none: /);
  });

  it('is no deeper than a recursion over it can be', async () => {
    expect(parse(nested(128))).to.be.an('array');
    expectThrow(() => parse(nested(129)), 'ERR_FORMAT', /^Expected JSON of at most 128 levels for a\.json but/);
    const file = at('config.json');
    writeFileSync(file, `{"model_type":"t5","more":${nested(20_000)}}`);
    await expectRejection(readJsonObject(file), 'ERR_FORMAT', /128 levels for .*config\.json/);
  });

  it('has no more values than fit into memory', () => {
    const many = (count: number) => `[${'0,'.repeat(count)}0]`;
    expect(parse(many(1000))).to.have.length(1001);
    expectThrow(() => parse(many(2 ** 22)), 'ERR_FORMAT', /^Expected JSON of at most 4194304 values for a\.json but/);
    expectThrow(() => parse(`[${'{},'.repeat(2 ** 21)}0]`), 'ERR_FORMAT', /4194304 values/);
  });
});
