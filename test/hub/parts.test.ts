/** What a whole model's config.json may call the folders of its parts: loaded, described and fetched by one rule. */
import { expect } from 'chai';
import { QAViT } from '../../lib';
import { locateParts } from '../../lib/describe';
import { PARTS } from '../../lib/hub';
import { expectRejection } from '../support/expect-error';
import { writeJson, writeRandomModel } from '../support/random-model';
import { filesOf, hubAndCache } from './support';

const INSIDE = ['tower', './tower', 'tower/', './/tower//', '././tower/.', 'adapter/../tower'];
const OUTSIDE = [
  '',
  '.',
  './',
  '..',
  '../',
  '../model/tower',
  '/tower',
  'tower/..',
  'a/../..',
  'x\\y',
  'x\0',
  5,
  ['tower'],
  {},
];

describe('the folders of a whole model', () => {
  const { at, hub, ensure, settings } = hubAndCache();
  beforeEach(() => writeRandomModel(at('model')));

  const ways = (config: object) => {
    writeJson(at('model', 'config.json'), { model_type: 'qavit', ...config });
    hub().add('acme/whole', filesOf(at('model')));
    return {
      load: async () => (await QAViT.load(at('model'))).close(),
      info: () => locateParts(at('model'), { settings: settings() }),
      fetch: () => ensure('acme/whole'),
    };
  };

  for (const tower of INSIDE) {
    it(`may be called ${JSON.stringify(tower)}`, async () => {
      const { load, info, fetch } = ways({ tower });
      await load();
      expect(await info()).to.deep.equal([{ part: 'tower', folder: at('model', 'tower'), missing: [] }]);
      await fetch();
      expect(hub().resolved).to.include('tower/model.safetensors');
    });
  }

  for (const name of OUTSIDE) {
    it(`may not be called ${JSON.stringify(name)}`, async () => {
      for (const part of PARTS) {
        const message = new RegExp(`the name of a folder in it for ${part} in .*config\\.json`);
        for (const way of Object.values(ways({ tower: 'tower', [part]: name }))) {
          await expectRejection(way(), 'ERR_FORMAT', message);
        }
      }
      expect(hub().transfers).to.deep.equal([]);
    });
  }
});
