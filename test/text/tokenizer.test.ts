import { expect } from 'chai';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { MAX_TEXT } from '../../lib/text/text-limit';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { expectRejection } from '../support/expect-error';
import { fixture } from '../support/paths';
import { temporaryFolder } from '../support/temporary';

const T5 = fixture('language', 't5-tiny', 'tokenizer.json');
const LLAMA = fixture('language', 'llama-tiny', 'tokenizer.json');
const TEXT = 'what digit is on the red square?';

describe('tokenizer', () => {
  const at = temporaryFolder();

  const edited = (changes: object): string => {
    const file = at('edited.json');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(T5, 'utf8')) as object), ...changes }));
    return file;
  };

  it('adds the special tokens of the file', async () => {
    expect((await (await TextTokenizer.load(T5)).encode(TEXT)).at(-1)).to.equal(1);
    expect((await (await TextTokenizer.load(LLAMA)).encode(TEXT))[0]).to.equal(0);
  });

  for (const text of [TEXT, 'naïve café – 日本 🙂🙂', ' two  blanks ', '\u0000\uFFFD\n', '']) {
    it(`gives ${JSON.stringify(text)} back`, async () => {
      const tokenizer = await TextTokenizer.load(LLAMA);
      expect(await tokenizer.decode(await tokenizer.encode(text))).to.equal(text);
    });
  }

  it('cuts the right end of a text and keeps the special tokens', async () => {
    const tokenizer = await TextTokenizer.load(T5);
    const whole = await tokenizer.encode(TEXT);
    expect(await tokenizer.encode(TEXT, 5)).to.deep.equal([...whole.slice(0, 4), 1]);
    expect(await tokenizer.encode(TEXT, whole.length)).to.deep.equal(whole);
    expect(await tokenizer.encode(TEXT, 1)).to.deep.equal([1]);
    expect(await tokenizer.encode(TEXT)).to.deep.equal(whole);
  });

  it('keeps cuts of concurrent calls apart', async () => {
    const tokenizer = await TextTokenizer.load(T5);
    const lengths = Array.from({ length: 12 }, (_, i) => i + 1);
    const cut = await Promise.all(lengths.map((length) => tokenizer.encode(TEXT, length)));
    expect(cut.map((ids) => ids.length)).to.deep.equal(lengths);
  });

  it('cuts a text between characters', async () => {
    const tokenizer = await TextTokenizer.load(LLAMA);
    const text = '🙂 日本 is on the red square';
    const cuts = await Promise.all(Array.from({ length: 30 }, (_, i) => tokenizer.cutText(text, i + 1)));
    for (const cut of cuts) expect(text.startsWith(cut), cut).to.equal(true);
    for (const whole of ['🙂', '🙂 日', '🙂 日本 is on the red']) expect(cuts).to.include(whole);
    expect(await tokenizer.cutText(text, 1)).to.equal('');
    expect(await tokenizer.cutText(text, 100)).to.equal(text);
  });

  it("ignores the file's own truncation and padding", async () => {
    const file = edited({
      truncation: { direction: 'Right', max_length: 3, strategy: 'LongestFirst', stride: 0 },
      padding: {
        strategy: { Fixed: 60 },
        direction: 'Right',
        pad_to_multiple_of: null,
        pad_id: 0,
        pad_type_id: 0,
        pad_token: '<pad>',
      },
    });
    const plain = await TextTokenizer.load(T5);
    expect(await (await TextTokenizer.load(file)).encode(TEXT)).to.deep.equal(await plain.encode(TEXT));
  });

  it('leaves special tokens and ids beyond the vocabulary out of a text', async () => {
    const tokenizer = await TextTokenizer.load(T5);
    const ids = await tokenizer.encode('red');
    expect(await tokenizer.decode([0, ...ids, 999_999])).to.equal('red');
  });

  it('takes texts up to a length at which regular expressions are far from giving up', async () => {
    // Qwen2's.
    const Regex =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    const split = { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
    const tokenizer = await TextTokenizer.load(edited({ pre_tokenizer: split }));
    const text = `a${'\t'.repeat(MAX_TEXT - 2)}a`;
    expect(await tokenizer.encode(text)).to.have.length.greaterThan(1);
    for (const work of [
      tokenizer.encode(`${text}a`, 4),
      tokenizer.encodeBare(`${text}a`),
      tokenizer.cutText(`${text}a`, 4),
    ])
      await expectRejection(work, 'ERR_ARGUMENT', /^Expected at most 65536 characters for .* but received 65537$/);
  });

  describe('refuses', () => {
    const refuses = (what: string, write: (file: string) => void) =>
      it(what, async () => {
        const file = at(`${what}.json`);
        write(file);
        await expectRejection(
          TextTokenizer.load(file),
          'ERR_FORMAT',
          new RegExp(`^Expected a (Hugging Face tokenizer|file) for ${file} but received .+$`, 's'),
        );
      });

    refuses('a file that is not there', () => {});
    refuses('a folder', (file) => mkdirSync(file));
    refuses('an empty file', (file) => writeFileSync(file, ''));
    refuses('a file that is cut off', (file) => writeFileSync(file, readFileSync(T5).subarray(0, 1000)));
    refuses('other JSON', (file) => writeFileSync(file, '{"model": 5}'));
    refuses('bytes', (file) => writeFileSync(file, Buffer.from([0xff, 0, 1, 2, 0x80])));
    refuses('merges of unknown tokens', (file) =>
      writeFileSync(file, '{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": ["a b"]}}'),
    );
    refuses('a vocabulary without the unknown token', (file) =>
      writeFileSync(
        file,
        '{"version": "1.0", "model": {"type": "Unigram", "unk_id": 9, "vocab": [["a", 0.0]], "byte_fallback": false}}',
      ),
    );
  });
});
