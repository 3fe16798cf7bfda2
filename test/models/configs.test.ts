import { expect } from 'chai';
import { integrationLayers, parseAdapterConfig } from '../../lib/models/adapter-config';
import { expectThrow } from '../support/expect-error';

describe('adapter config.json', () => {
  const parse = (json: Record<string, unknown>, layers = 6) =>
    parseAdapterConfig({ instruction_dim: 8, ...json }, 'config.json', layers);

  it('knows the published integration points', () => {
    expect(integrationLayers('late', 5)).to.deep.equal([2, 3, 4]);
    expect(integrationLayers('all', 5)).to.deep.equal([0, 1, 2, 3, 4]);
    expect(integrationLayers('early', 5)).to.deep.equal([0, 1]);
    expect(integrationLayers('late2', 5)).to.deep.equal([3, 4]);
    expect(integrationLayers('late2', 6)).to.deep.equal([4, 5]);
    expect(integrationLayers('late3', 5)).to.deep.equal([1, 2, 3, 4]);
    expect(integrationLayers('sparse', 5)).to.deep.equal([0, 2, 4]);
    expect(integrationLayers('late', 24)).to.deep.equal(Array.from({ length: 12 }, (_, i) => i + 12));
  });

  it('has defaults', () => {
    expect(parse({})).to.deep.equal({
      layers: [3, 4, 5],
      questionWidth: 8,
      projector: undefined,
      hiddenLayer: -1,
      keepClass: true,
      question: { features: 'encoder', normalization: 'qa-vit', maxTokens: 30 },
    });
  });

  it('takes explicit layers in any order', () => {
    expect(parse({ layers: [4, 1, 4] }).layers).to.deep.equal([1, 4]);
    expect(parse({ layers: [10, 9] }, 12).layers).to.deep.equal([9, 10]);
  });

  it('refuses unknown integration points and layers', () => {
    expectThrow(
      () => parse({ integration_point: 'latest' }),
      'ERR_FORMAT',
      /one of late, all.* integration_point of config\.json.*"latest"/,
    );
    for (const layers of [[], [6], [-1], [1.5], ['1'], 3, {}])
      expectThrow(() => parse({ layers }), 'ERR_FORMAT', /layers of config\.json/);
    expectThrow(() => parse({ layers: [1], integration_point: 'all' }), 'ERR_FORMAT', /both/);
  });

  it('refuses other values that make no sense', () => {
    for (const instruction_dim of [undefined, 0, '8'])
      expectThrow(() => parse({ instruction_dim }), 'ERR_FORMAT', /instruction_dim/);
    for (const vision_feature_layer of [7, -8, 0.5]) {
      expectThrow(() => parse({ vision_feature_layer }), 'ERR_FORMAT', /integer from -7 to 6 for vision_feature_layer/);
    }
    expectThrow(() => parse({ keep_cls: 1 }), 'ERR_FORMAT', /keep_cls/);
    expectThrow(() => parse({ translation_mlp: 2 }), 'ERR_FORMAT', /translation_mlp/);
    expectThrow(
      () => parse({ translation_mlp: { layers: 3 } }),
      'ERR_FORMAT',
      /integer from 1 to 2 for layers in translation_mlp/,
    );
    expectThrow(() => parse({ translation_mlp: { layers: 2, activation: 'tanh' } }), 'ERR_FORMAT', /one of relu, gelu/);
    expectThrow(() => parse({ question: { features: 'text' } }), 'ERR_FORMAT', /one of encoder, embedding/);
    expectThrow(() => parse({ question: { max_tokens: 0 } }), 'ERR_FORMAT', /max_tokens/);
  });
});
