import { expect } from 'chai';
import { mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { JsonFields } from '../../lib/json-fields';
import { TokenRules } from '../../lib/llm/token-rules';
import { expectRejection } from '../support/expect-error';
import { temporaryFolder } from '../support/temporary';

describe('token rules', () => {
  const at = temporaryFolder();

  /** @param generation undefined where there is no such file */
  async function rules(generation: object | undefined, config: object = {}): Promise<TokenRules> {
    const folder = mkdtempSync(at('model-'));
    if (generation) writeFileSync(path.join(folder, 'generation_config.json'), JSON.stringify(generation));
    writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
    return TokenRules.read(folder, await JsonFields.read(path.join(folder, 'config.json')));
  }

  /** The tokens of five that may come after these, all of them the answer's. */
  function allowedAfter(from: TokenRules, tokens: number[], read = 0, last = false): number[] {
    const logits = new Float32Array(5).fill(1);
    from.apply(logits, { tokens, said: tokens.length, read, last });
    return [...logits.keys()].filter((id) => logits[id] !== -Infinity);
  }

  /** The tokens of five that may come after `said` others. */
  function allowed(from: TokenRules, said: number): number[] {
    const logits = new Float32Array(5).fill(1);
    from.apply(logits, { tokens: [], said, read: 0, last: false });
    return [...logits.keys()].filter((id) => logits[id] !== -Infinity);
  }

  it('take one end token or several, from generation_config.json first', async () => {
    const ends = async (generation: object, config?: object) => {
      const read = await rules(generation, config);
      return [0, 1, 2, 3].filter((id) => read.isEnd(id));
    };
    expect(await ends({ eos_token_id: 1 })).to.deep.equal([1]);
    expect(await ends({ eos_token_id: [1, 3] }, { eos_token_id: 2 })).to.deep.equal([1, 3]);
    expect(await ends({ eos_token_id: null }, { eos_token_id: 2 })).to.deep.equal([2]);
    expect(await ends({})).to.deep.equal([]);
  });

  it('start where the decoder starts', async () => {
    expect((await rules({ decoder_start_token_id: 0, bos_token_id: 2 })).start).to.equal(0);
    expect((await rules({ bos_token_id: 2 })).start).to.equal(2);
    expect((await rules({}, { decoder_start_token_id: 3 })).start).to.equal(3);
    expect((await rules({})).start).to.equal(undefined);
  });

  it('rule tokens out, always or at the beginning', async () => {
    const read = await rules({ suppress_tokens: [0], begin_suppress_tokens: [3, 99] });
    expect(allowed(read, 0)).to.deep.equal([1, 2, 4]);
    expect(allowed(read, 1)).to.deep.equal([1, 2, 3, 4]);
  });

  it('force the first token; what may not begin then may not be second', async () => {
    const read = await rules({ forced_bos_token_id: 2, begin_suppress_tokens: [3] });
    expect(allowed(read, 0)).to.deep.equal([2]);
    expect(allowed(read, 1)).to.deep.equal([0, 1, 2, 4]);
    expect(allowed(read, 2)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('force the last token, where the answer is as long as it may be', async () => {
    const read = await rules({ forced_eos_token_id: [1, 3], forced_bos_token_id: 2 });
    expect(allowedAfter(read, [0])).to.deep.equal([0, 1, 2, 3, 4]);
    expect(allowedAfter(read, [0], 0, true)).to.deep.equal([1, 3]);
    expect(allowedAfter(read, [], 0, true), 'the first one too').to.deep.equal([1, 3]);
    expect(allowedAfter(await rules({}, { forced_eos_token_id: 4 }), [], 0, true)).to.deep.equal([4]);
    expect(allowedAfter(await rules({}), [], 0, true)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('are those of config.json where there is no generation_config.json', async () => {
    const config = { eos_token_id: 1, min_length: 3, suppress_tokens: [4], no_repeat_ngram_size: 1 };
    expect(allowedAfter(await rules(undefined, config), [0])).to.deep.equal([2, 3]);
    expect(allowedAfter(await rules({}, config), [0]), 'with one').to.deep.equal([0, 1, 2, 3, 4]);
    const whole = { model_type: 'llava', suppress_tokens: [3], text_config: { ...config, eos_token_id: 2 } };
    expect(allowedAfter(await rules(undefined, whole), [0])).to.deep.equal([1, 4]);
    await expectRejection(
      rules(undefined, { encoder_no_repeat_ngram_size: 3 }),
      'ERR_UNSUPPORTED',
      /^Expected 0 for encoder_no_repeat_ngram_size of .*config\.json but received 3$/,
    );
  });

  it('are refused where they are not known, unless they are switched off', async () => {
    const unknown = {
      guidance_scale: 2,
      watermarking_config: { greenlist_ratio: 0.25 },
      stop_strings: ['x'],
      dola_layers: 'high',
      force_words_ids: [[3]],
      constraints: [1],
      token_healing: true,
    };
    for (const [key, value] of Object.entries(unknown))
      await expectRejection(
        rules({ [key]: value }),
        'ERR_UNSUPPORTED',
        new RegExp(`for ${key} of .*generation_config`),
      );
    const off = { guidance_scale: 1, token_healing: false, stop_strings: null, encoder_repetition_penalty: 1 };
    expect(allowedAfter(await rules(off), [])).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('say no sequence of so many tokens twice', async () => {
    const two = await rules({ no_repeat_ngram_size: 2 });
    expect(allowedAfter(two, [])).to.deep.equal([0, 1, 2, 3, 4]);
    expect(allowedAfter(two, [3])).to.deep.equal([0, 1, 2, 3, 4]);
    expect(allowedAfter(two, [3, 1, 2, 3])).to.deep.equal([0, 2, 3, 4]);
    expect(allowedAfter(two, [3, 3])).to.deep.equal([0, 1, 2, 4]);
    expect(allowedAfter(two, [3, 1, 3, 4, 3])).to.deep.equal([0, 2, 3]);
    const three = await rules({ no_repeat_ngram_size: 3 });
    expect(allowedAfter(three, [1, 2])).to.deep.equal([0, 1, 2, 3, 4]);
    expect(allowedAfter(three, [1, 2, 4, 1, 2])).to.deep.equal([0, 1, 2, 3]);
    expect(allowedAfter(three, [2, 4, 1, 2])).to.deep.equal([0, 1, 2, 3, 4]);
    expect(allowedAfter(await rules({ no_repeat_ngram_size: 1 }), [4, 0])).to.deep.equal([1, 2, 3]);
  });

  it('end no answer before it is long enough', async () => {
    const length = await rules({ eos_token_id: [1, 4], min_length: 3 });
    expect(allowedAfter(length, [0, 0])).to.deep.equal([0, 2, 3]);
    expect(allowedAfter(length, [0, 0, 0])).to.deep.equal([0, 1, 2, 3, 4]);
    expect(allowedAfter(length, [0], 2)).to.deep.equal([0, 1, 2, 3, 4]);
    const fresh = await rules({ eos_token_id: 1, min_new_tokens: 2, min_length: 100 });
    expect(allowedAfter(fresh, [0], 50)).to.deep.equal([0, 2, 3, 4]);
    expect(allowedAfter(fresh, [0, 0], 50)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('complete none of the sequences that are bad, and end all the same', async () => {
    const bad = await rules({ eos_token_id: 0, bad_words_ids: [[0], [3], [1, 2], [4, 4, 1]] });
    expect(allowedAfter(bad, [])).to.deep.equal([0, 1, 2, 4]);
    expect(allowedAfter(bad, [1])).to.deep.equal([0, 1, 2, 4]); // a quirk of transformers'
    expect(allowedAfter(bad, [0, 1])).to.deep.equal([0, 1, 4]);
    expect(allowedAfter(bad, [0, 4, 4])).to.deep.equal([0, 2, 4]);
    await expectRejection(rules({ bad_words_ids: [[]] }), 'ERR_FORMAT', /a list of lists of non-negative integers/);
    await expectRejection(rules({ bad_words_ids: [1] }), 'ERR_FORMAT', /bad_words_ids/);
  });

  it('make likely tokens that were heard less likely, and unlikely ones too', async () => {
    const logits = Float32Array.of(2, -2, 0, 1, -Infinity, 3, -0.1);
    (await rules({ repetition_penalty: 1.1 })).apply(logits, {
      tokens: [0, 1, 2, 4, 6, 99, 0],
      said: 3,
      read: 0,
      last: false,
    });
    const penalty = Math.fround(1.1);
    const minus = Math.fround(-0.1);
    expect(logits).to.deep.equal(Float32Array.of(2 / penalty, -2 * penalty, 0, 1, -Infinity, 3, minus * penalty));
    const same = Float32Array.of(2, -2);
    (await rules({})).apply(same, { tokens: [0, 1], said: 2, read: 0, last: false });
    expect(same).to.deep.equal(Float32Array.of(2, -2));
  });
});
