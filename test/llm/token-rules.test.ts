import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { JsonFields } from '../../lib/llm/json-fields';
import { TokenRules } from '../../lib/llm/token-rules';
import { temporaryFolder } from '../support/temporary';

describe('token rules', () => {
  const at = temporaryFolder();

  async function rules(generation: object, config: object = {}): Promise<TokenRules> {
    writeFileSync(at('generation.json'), JSON.stringify(generation));
    writeFileSync(at('config.json'), JSON.stringify(config));
    return new TokenRules(await JsonFields.read(at('generation.json')), await JsonFields.read(at('config.json')));
  }

  /** The tokens of five that may come after `said` others. */
  function allowed(from: TokenRules, said: number): number[] {
    const logits = new Float32Array(5).fill(1);
    from.apply(logits, said, new Set());
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

  it('make likely tokens that were heard less likely, and unlikely ones too', async () => {
    const logits = Float32Array.of(2, -2, 0, 1, -Infinity, 3, -0.1);
    (await rules({ repetition_penalty: 1.1 })).apply(logits, 3, new Set([0, 1, 2, 4, 6, 99]));
    const penalty = Math.fround(1.1);
    const minus = Math.fround(-0.1);
    expect(logits).to.deep.equal(Float32Array.of(2 / penalty, -2 * penalty, 0, 1, -Infinity, 3, minus * penalty));
    const same = Float32Array.of(2, -2);
    (await rules({})).apply(same, 3, new Set([0, 1]));
    expect(same).to.deep.equal(Float32Array.of(2, -2));
  });
});
