import { expect } from 'chai';
import type { VisualTokens } from '../../../lib';
import { cacheKey, imageEmbeds, imageGridEmbeds, promptEmbeds, torchTensor } from '../../../lib/vllm';
import { toBf16 } from '../../support/bf16';
import { expectThrow } from '../../support/expect-error';
import { toF16 } from '../../support/f16';
import { floats, random } from '../../support/random';
import { savedTensor } from '../../support/torch-tensor';

const tokens: VisualTokens = { data: floats(random(3), 5 * 8), shape: [5, 8], key: 'k' };
const bytes = (numbers: Uint16Array | Float32Array) =>
  Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
const decoded = (base64: string) => savedTensor(Buffer.from(base64, 'base64'));

describe('parts of requests to vLLM', () => {
  it('carry the tokens in bf16 unless told otherwise', () => {
    const { type, data } = promptEmbeds(tokens);
    expect(type).to.equal('prompt_embeds');
    expect(decoded(data)).to.deep.include({ dtype: 'BF16', shape: [5, 8], strides: undefined });
    expect(decoded(data).bytes.equals(bytes(toBf16(tokens.data)))).to.equal(true);
    expect(decoded(imageEmbeds(tokens, { dtype: 'f32' }).image_embeds).bytes.equals(bytes(tokens.data))).to.equal(true);
    expect(savedTensor(torchTensor(tokens, { dtype: 'f16' })).bytes.equals(bytes(toF16(tokens.data)))).to.equal(true);
  });

  it('are of the type that vLLM names, and nothing else', () => {
    expect(Object.keys(promptEmbeds(tokens))).to.deep.equal(['type', 'data']);
    const part = imageEmbeds(tokens);
    expect(part).to.have.all.keys('type', 'image_embeds', 'uuid');
    expect(part.type).to.equal('image_embeds');
    expect(part.uuid).to.equal(cacheKey(tokens));
    expect(part.image_embeds).to.equal(promptEmbeds(tokens).data);
  });

  it('say of what grid of patches they are, for models that want to know', () => {
    const placed = {
      ...tokens,
      data: floats(random(4), 6 * 8),
      shape: [6, 8] as [number, number],
      grid: { rows: 4, columns: 6 },
    };
    const part = imageGridEmbeds(placed, { dtype: 'f16' });
    expect(part).to.have.all.keys('type', 'image_embeds', 'uuid');
    const plain = imageEmbeds(placed, { dtype: 'f16' });
    expect([part.type, part.uuid, part.image_embeds.image_embeds]).to.deep.equal([
      'image_embeds',
      plain.uuid,
      plain.image_embeds,
    ]);
    const { dtype, shape, bytes } = decoded(part.image_embeds.image_grid_thw);
    expect({ dtype, shape }).to.deep.equal({ dtype: 'I64', shape: [3] });
    expect([0, 8, 16].map((at) => bytes.readBigInt64LE(at))).to.deep.equal([1n, 4n, 6n]);
    expectThrow(() => imageGridEmbeds(tokens), 'ERR_ARGUMENT', /\{ rows, columns \} for the grid of visual tokens/);
    const [unnamed, turned] = [
      { ...placed, key: undefined },
      { ...placed, key: undefined, grid: { rows: 6, columns: 4 } },
    ];
    expect(imageGridEmbeds(turned).uuid).to.not.equal(imageGridEmbeds(unnamed).uuid);
  });

  describe('the key of caches', () => {
    it('is a sha-256 that picture, question and weights decide, which `key` stands for', () => {
      expect(cacheKey(tokens)).to.match(/^[0-9a-f]{64}$/);
      expect(cacheKey({ ...tokens, data: tokens.data.slice() })).to.equal(cacheKey(tokens));
      expect(cacheKey({ ...tokens, key: 'another' })).to.not.equal(cacheKey(tokens));
    });

    it('is made of the numbers where there is no `key`, and of their shape', () => {
      const bare = { data: tokens.data, shape: tokens.shape };
      expect(cacheKey(bare)).to.equal(cacheKey({ ...bare, data: tokens.data.slice() }));
      expect(cacheKey(bare)).to.not.equal(cacheKey({ ...bare, shape: [8, 5] }));
      const changed = tokens.data.slice();
      changed[39]! += 1e-6;
      expect(cacheKey(bare)).to.not.equal(cacheKey({ ...bare, data: changed }));
    });

    it('tells apart what travels in different types: the bits that are cached differ', () => {
      const keys = (['bf16', 'f16', 'f32'] as const).map((dtype) => cacheKey(tokens, { dtype }));
      expect(new Set(keys)).to.have.property('size', 3);
      expect(keys[0]).to.equal(cacheKey(tokens));
    });
  });

  it('are not made of anything else', () => {
    for (const make of [promptEmbeds, imageEmbeds, imageGridEmbeds, torchTensor, cacheKey] as const) {
      expectThrow(() => make(undefined as never), 'ERR_ARGUMENT', /visual tokens/);
      expectThrow(() => make({ data: new Float64Array(4), shape: [2, 2] } as never), 'ERR_DTYPE');
      expectThrow(() => make({ data: new Float32Array(4), shape: [4] } as never), 'ERR_SHAPE');
      expectThrow(() => make({ data: new Float32Array(4), shape: [2, 3] }), 'ERR_SHAPE');
      expectThrow(() => make({ data: new Float32Array(0), shape: [0, 4] }), 'ERR_SHAPE');
      expectThrow(() => make({ data: Float32Array.of(1, NaN), shape: [1, 2] }), 'ERR_ARGUMENT', /finite/);
      expectThrow(() => make(tokens, { dtype: 'int8' as never }), 'ERR_ARGUMENT', /bf16, f16, f32/);
      expectThrow(() => make(tokens, { dtpye: 'f32' } as never), 'ERR_ARGUMENT', /did you mean dtype/);
    }
  });

  it('are refused where a type does not reach, instead of becoming infinite', () => {
    const large = { data: Float32Array.of(1, 65519, -70000), shape: [1, 3] as [number, number] };
    expectThrow(
      () => promptEmbeds(large, { dtype: 'f16' }),
      'ERR_ARGUMENT',
      'Expected numbers that f16 holds for the data of visual tokens but received -70000 at 2',
    );
    expect(decoded(promptEmbeds(large).data).dtype).to.equal('BF16');
    const largest = { data: Float32Array.of(3.4e38), shape: [1, 1] as [number, number] };
    expectThrow(() => imageEmbeds(largest), 'ERR_ARGUMENT', /numbers that bf16 holds/);
    expect(decoded(imageEmbeds(largest, { dtype: 'f32' }).image_embeds).bytes.readFloatLE(0)).to.equal(
      Math.fround(3.4e38),
    );
  });
});
