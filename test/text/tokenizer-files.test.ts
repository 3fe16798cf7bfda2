/** Files that the tokenizers package would end the process for. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from '../support/temporary';

const PLAIN = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [] as object[],
  normalizer: null as object | null,
  pre_tokenizer: null as object | null,
  post_processor: null as object | null,
  decoder: null as object | null,
  model: { type: 'WordLevel', vocab: { a: 0, b: 1, '[UNK]': 2 }, unk_token: '[UNK]' } as object,
};
type Changes = Partial<typeof PLAIN>;

/** A table of replacements: a trie and the texts behind it. */
function charsmap(units: readonly number[], texts = 'a\0'): Changes {
  const trie = Buffer.from(Uint32Array.from(units).buffer);
  return precompiled(Buffer.concat([u32(trie.length), trie, Buffer.from(texts)]).toString('base64'));
}
const precompiled = (precompiled_charsmap?: string): Changes => ({
  normalizer: { type: 'Precompiled', precompiled_charsmap },
});
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const block = (root: number, leaf = 0): number[] => Array.from({ length: 256 }, (_, i) => [root, leaf][i] ?? 0);

const bpe = (model: object): Changes => ({ model: { type: 'BPE', vocab: { a: 0, b: 1, é: 2 }, merges: [], ...model } });
const split = (Regex: string): Changes => ({
  pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
});
const replace = (pattern: object): Changes => ({
  normalizer: { type: 'Sequence', normalizers: [{ type: 'Replace', pattern, content: 'é' }, { type: 'NFD' }] },
});
const template = (...single: object[]) => ({ type: 'TemplateProcessing', single, pair: [], special_tokens: {} });
const text = (id: string) => ({ Sequence: { id, type_id: 0 } });
const added = (content: string) => [
  { id: 9, content, single_word: true, lstrip: false, rstrip: false, normalized: true, special: false },
];

const REFUSED: Record<string, [Changes, RegExp]> = {
  'no charsmap': [precompiled(), /precompiled_charsmap of normalizer: none/],
  'an empty charsmap': [precompiled(''), /a trie of 0 bytes in 0/],
  'a charsmap of one byte': [precompiled('AA=='), /a trie of 0 bytes in 1/],
  'a charsmap that is cut off': [precompiled(u32(65535).toString('base64')), /a trie of 65535 bytes in 4/],
  'a charsmap that is no base64': [precompiled('AA='), /no base64/],
  'a charsmap without a block of units': [charsmap([0x400, 0, 0]), /a trie that leads outside/],
  'a charsmap that leads outside': [charsmap(block(0xfffffe00)), /a trie that leads outside/],
  'a charsmap whose texts are none': [charsmap(block(0x500, 2 ** 31 + 100)), /a trie that leads outside/],
  'a charsmap whose text begins in a character': [
    charsmap(block(0x500, 2 ** 31 + 1), 'é\0'),
    /a trie that leads outside/,
  ],
  'a merge beyond the longest token': [bpe({ vocab: { a: 0, b: 1 }, merges: ['a b'] }), /merges of the model: .*a b/],
  'merges shorter than their prefix': [
    bpe({ vocab: { a: 0, b: 1, ab: 2 }, merges: [['a', 'b']], continuing_subword_prefix: 'éé' }),
    /merges of the model/,
  ],
  'merges of another prefix': [
    bpe({ vocab: { a: 0, é: 1, ab: 2 }, merges: ['é é'], continuing_subword_prefix: '#' }),
    /merges of the model/,
  ],
  'pieces of no length': [{ pre_tokenizer: { type: 'FixedLength', length: 0 } }, /length of pre_tokenizer: 0/],
  'a template with an unknown token': [
    { post_processor: template({ SpecialToken: { id: '[X]', type_id: 0 } }, text('A')) },
    /single of post_processor: .*\[X\]/,
  ],
  'a template with a second text': [{ post_processor: template(text('B')) }, /single of post_processor/],
  'two templates': [
    { post_processor: { type: 'Sequence', processors: Array(3).fill(template(text('A'), text('A'), text('A'))) } },
    /a template of what another made/,
  ],
  'a decoder that strips the right end': [
    { decoder: { type: 'Sequence', decoders: [{ type: 'Strip', content: 'a', start: 9, stop: 9 }] } },
    /stop of decoder: 9/,
  ],
  'a decoder with half of a character': [{ decoder: { type: 'CTC', pad_token: '\ud800' } }, /decoder: half of a char/],
  'a list as a decoder': [{ decoder: ['Fuse'] }, /decoder: no object/],
  'repeated repetitions': [split('(a*)*$'), /Regex of pre_tokenizer/],
  'repeated choices': [split('(?:a|a)*b'), /Regex of pre_tokenizer/],
  'many repetitions': [split('a*a*a*a*a*a*a*b'), /Regex of pre_tokenizer/],
  'many options': [split('.?'.repeat(30) + '(?<=!)'), /Regex of pre_tokenizer/],
  'many choices': [split('(.|.)'.repeat(30) + '(?<=!)'), /Regex of pre_tokenizer/],
  'a repeated repetition behind a comment': [split('(.*)(?#x)*(?<=!)'), /Regex of pre_tokenizer/],
  'a repeated repetition among blanks': [split('(?x)(.*) *(?<=!)'), /Regex of pre_tokenizer/],
  'calls of a repetition': [split('(?<a>.*)\\g<a>\\g<a>\\g<a>\\g<a>\\g<a>(?<=!)'), /Regex of pre_tokenizer/],
  'a text before nothing': [{ normalizer: { type: 'Prepend', prepend: '' } }, /prepend of normalizer/],
  'a text in the place of nothing': [replace({ Regex: 'b?' }), /pattern of normalizer/],
  'a text in the place of nothing, in a group': [replace({ Regex: '(?:b*)' }), /pattern of normalizer/],
  'a text between all others': [replace({ String: '' }), /pattern of normalizer/],
  'an added token that is stripped away by what has no name': [
    { added_tokens: added(' '), normalizer: { type: { toString: null }, strip_left: true, strip_right: true } },
    /added_tokens: .* the normalizer leaves nothing/,
  ],
  'an added token that is replaced by nothing': [
    { added_tokens: added('ab'), normalizer: { type: 'Replace', pattern: { String: 'ab' }, content: '' } },
    /added_tokens: .* the normalizer leaves nothing/,
  ],
  'an added token that is stripped away': [
    { added_tokens: added(' '), normalizer: { type: 'Strip', strip_left: true, strip_right: true } },
    /added_tokens: .* the normalizer leaves nothing/,
  ],
};

/** What models use, which is none of that. */
const QWEN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const TAKEN: Changes[] = [
  {},
  charsmap(block(0x500, 2 ** 31)),
  split(QWEN),
  split("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lo}]*[\\p{Ll}\\p{Lo}]+(?i:'s|'t)?|\\p{N}{1,3}| ?[^\\s\\p{L}]+[\\r\\n/]*"),
  split('\\p{N}{1,3}(?=(?:\\p{N}{3})*(?:\\P{N}|$))'),
  split('(?=(\\d{3})+(?!\\d))'),
  split(' ?[^(\\s|[.,!?…。，、।۔،])]+'),
  split('[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]'),
  replace({ Regex: ' {2,}' }),
  replace({ String: ' ' }),
  { decoder: { type: 'Strip', content: ' ', start: 1, stop: 0 } },
  { added_tokens: added('  '), normalizer: { type: 'NFC' } },
  bpe({ vocab: { a: 0, '##b': 1, ab: 2 }, merges: [['a', '##b']], continuing_subword_prefix: '##' }),
];

describe('tokenizer files', () => {
  const at = temporaryFolder();
  const program = path.join(__dirname, 'tokenizer-program.js');

  function use(all: readonly Changes[]): string[] {
    const files = all.map((changes, i) => {
      const file = at(`${i}.json`);
      writeFileSync(file, JSON.stringify({ ...PLAIN, ...changes }));
      return file;
    });
    const { stdout, status, stderr } = spawnSync(process.execPath, [program, ...files], { encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
    return stdout.trim().split('\n');
  }

  it('of models are used', () => {
    expect(use(TAKEN)).to.deep.equal(TAKEN.map(() => 'used'));
  });

  it('with fields twice are refused, whichever counts', () => {
    const file = at('twice.json');
    writeFileSync(file, JSON.stringify(PLAIN).replace('{', '{"decoder":null,'));
    const { stdout } = spawnSync(process.execPath, [program, file], { encoding: 'utf8' });
    expect(stdout).to.match(/^Expected a Hugging Face tokenizer for .*"decoder.*: there twice"\n$/);
  });

  for (const [what, [changes, message]] of Object.entries(REFUSED)) {
    it(`are refused with ${what}`, () => {
      const [said] = use([changes]);
      expect(said).to.match(/^Expected a Hugging Face tokenizer for .*0\.json but received ".+"$/);
      expect(said).to.match(message);
    });
  }
});
