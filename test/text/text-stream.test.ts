import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { seededRandom } from '../../lib/llm/random';
import { TextStream } from '../../lib/text/text-stream';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { fixture } from '../support/paths';
import { temporaryFolder } from '../support/temporary';

const T5 = fixture('language', 't5-tiny', 'tokenizer.json');
const LLAMA = fixture('language', 'llama-tiny', 'tokenizer.json');

async function pieces(tokenizer: TextTokenizer, ids: readonly number[]): Promise<string[]> {
  const stream = new TextStream(tokenizer);
  const sent: string[] = [];
  for (const id of ids) sent.push(await stream.push(id));
  return [...sent, await stream.finish()];
}

/** Llama 2's way: `▁` for spaces, a token for each byte of a character that has none. */
function writeByteFallback(file: string): void {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const tokens = ['<unk>', ...bytes, '▁', 'r', 'e', 'd', '▁red'];
  const decoders = [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ];
  const model = {
    type: 'BPE',
    unk_token: '<unk>',
    byte_fallback: true,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: [],
  };
  writeFileSync(file, JSON.stringify({ version: '1.0', decoder: { type: 'Sequence', decoders }, model }));
}

/** Whole words, which are joined by blanks where there is no decoder. */
function writeWords(file: string): void {
  const vocab = Object.fromEntries(['<unk>', 'red', 'square', '?'].map((word, id) => [word, id]));
  writeFileSync(file, JSON.stringify({ version: '1.0', model: { type: 'WordLevel', unk_token: '<unk>', vocab } }));
}

describe('text stream', () => {
  const at = temporaryFolder();

  it('gives a character when its last byte is there', async () => {
    const tokenizer = await TextTokenizer.load(LLAMA);
    const ids = await tokenizer.encode('é日🚀!');
    const sent = await pieces(tokenizer, ids);
    expect(sent.filter(Boolean)).to.deep.equal(['é', '日', '🚀', '!']);
    expect(sent.length).to.be.greaterThan(8);
  });

  it('puts blanks where the whole text has them', async () => {
    writeWords(at('words.json'));
    const words = await TextTokenizer.load(at('words.json'));
    expect(await pieces(words, [1, 2, 3])).to.deep.equal(['red', ' square', ' ?', '']);
    const metaspace = await TextTokenizer.load(T5);
    const ids = await metaspace.encode('the red star');
    const sent = await pieces(metaspace, ids);
    expect(sent.join('')).to.equal('the red star');
    expect(sent[0]).to.not.match(/^ /);
  });

  it('says nothing for special tokens, wherever they are', async () => {
    const tokenizer = await TextTokenizer.load(T5);
    const [the = 0] = await tokenizer.encode('the');
    const said = await tokenizer.decode([the, the]);
    expect(await pieces(tokenizer, [0, the, 0, 1, the, 0])).to.satisfy((sent: string[]) => sent.join('') === said);
  });

  it('gives bytes that never become a character at the end', async () => {
    const tokenizer = await TextTokenizer.load(LLAMA);
    const [, first = 0] = await tokenizer.encode('日');
    expect(await pieces(tokenizer, [first])).to.deep.equal(['', '\uFFFD']);
    expect(await pieces(tokenizer, [])).to.deep.equal(['']);
  });

  it('waits for the end of a run of byte tokens, which may still spoil all of it', async () => {
    writeByteFallback(at('bytes.json'));
    const tokenizer = await TextTokenizer.load(at('bytes.json'));
    const byte = (value: number) => value + 1;
    const red = 261;
    // é, then half a character: the decoder gives up the run, é included.
    const spoilt = [red, byte(0xc3), byte(0xa9), byte(0xe2), red];
    const sent = await pieces(tokenizer, spoilt);
    expect(sent).to.deep.equal(['red', '', '', '', '\uFFFD\uFFFD\uFFFD red', '']);
    expect(sent.join('')).to.equal(await tokenizer.decode(spoilt));
    expect(await pieces(tokenizer, [red, byte(0xc3), byte(0xa9)])).to.deep.equal(['red', '', '', 'é']);
  });

  for (const name of ['t5', 'llama', 'bytes'] as const) {
    it(`joins to the whole text for any tokens of ${name}`, async () => {
      writeByteFallback(at('bytes.json'));
      const tokenizer = await TextTokenizer.load({ t5: T5, llama: LLAMA, bytes: at('bytes.json') }[name]);
      const size = { t5: 56, llama: 300, bytes: 262 }[name];
      const random = seededRandom(size);
      for (let round = 0; round < 40; round++) {
        const ids = Array.from({ length: 1 + Math.floor(random() * 30) }, () => Math.floor(random() * size));
        const sent = await pieces(tokenizer, ids);
        expect(sent.join(''), ids.join()).to.equal(await tokenizer.decode(ids));
        for (const piece of sent.slice(0, -1)) expect(piece).to.not.match(/\uFFFD$/);
      }
    });
  }
});
