import { expect } from 'chai';
import { QAViT } from '../../lib';

describe('new QAViT', () => {
  it('says how a model is made', () => {
    const Model = QAViT as unknown as new (...given: unknown[]) => QAViT;
    for (const given of [[], ['demo'], [{}]]) {
      expect(() => new Model(...given))
        .to.throw('Expected await QAViT.load() for a model but received new QAViT()')
        .with.property('code', 'ERR_ARGUMENT');
    }
  });
});
