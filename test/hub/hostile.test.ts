import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { HubClient } from '../../lib/hub/client';
import { expectRejection } from '../support/expect-error';
import { type Fault, json, refuse } from '../support/fake-hub';
import { hubAndCache, towerFiles, WEIGHTS } from './support';

const NAMES = [
  '../x.safetensors',
  '/x.safetensors',
  'a/../../x.safetensors',
  'x\0.safetensors',
  `${'x'.repeat(5000)}.safetensors`,
  '..\\x.safetensors',
];

/** Everything below a folder, links not followed. */
const all = (folder: string): string[] => readdirSync(folder, { recursive: true }).map(String);

describe('hubs that mean no good', () => {
  const { at, hub, ensure, settings } = hubAndCache();
  const token = { secret: 'hf_not-for-everybody', source: 'HF_TOKEN' };

  it('get the token and its like alone: no other server, whatever they answer', async () => {
    hub().add('acme/tower', towerFiles());
    await ensure('acme/tower', 'model', { settings: settings({ token }) });
    const heads = hub().requests.map(({ server, headers }) => ({ server, authorization: headers.authorization }));
    for (const { server, authorization } of heads) {
      expect(authorization).to.equal(server === 'hub' ? `Bearer ${token.secret}` : undefined);
    }
    expect(heads.some(({ server }) => server === 'storage')).to.equal(true);
  });

  it('cannot have it sent to the next page of a listing', async () => {
    hub().add('acme/tower', towerFiles());
    let pages = 0;
    hub().fault = ({ server, path: asked }, response) => {
      if (server === 'storage' && asked.startsWith('/next')) return (json(response, []), true);
      if (!asked.includes('/tree/') || pages++ > 0) return false;
      response.setHeader('link', `<${hub().storageOrigin}/next>; rel="next"`);
      return (json(response, []), true);
    };
    await expectRejection(
      ensure('acme/tower', 'model', { settings: settings({ token }) }),
      'ERR_FORMAT',
      /config\.json/,
    );
    const next = hub().requests.filter(({ server }) => server === 'storage');
    expect(next.map(({ path: asked, headers }) => [asked, headers.authorization])).to.deep.equal([
      ['/next', undefined],
    ]);
  });

  it('cannot keep one reading pages of a listing', async () => {
    hub().add('acme/tower', towerFiles());
    let next = 'page';
    hub().fault = ({ path: asked }, response) => {
      if (!asked.includes('/tree/')) return false;
      response.setHeader('link', `<${hub().endpoint}/api/models/acme/tower/tree/${next}>; rel="next"`);
      return (json(response, []), true);
    };
    const listings = () => hub().requests.filter(({ path: asked }) => asked.includes('/tree/'));
    await expectRejection(ensure(), 'ERR_FORMAT', /each page once for the files of acme\/tower at http.* one again$/);
    expect(listings()).to.have.length(2);
    const { fault } = hub();
    hub().fault = (...asked) => ((next = `page-${listings().length}`), fault(...asked));
    await expectRejection(ensure(), 'ERR_FORMAT', /at most 1000 pages for the files of acme\/tower at http.* more$/);
  });

  it('cannot lead in circles, to other protocols, or away from https', async () => {
    hub().add('acme/tower', towerFiles());
    const leadTo = (location: string): void => {
      hub().fault = ({ server }, response) => {
        if (server === 'hub') return false;
        response.writeHead(302, { location }).end();
        return true;
      };
    };
    leadTo('/again');
    await expectRejection(
      ensure(),
      'ERR_NETWORK',
      /at most 5 redirections for http.*\/[0-9a-f]{64}|\/again but received more/,
    );
    for (const location of ['file:///etc/passwd', 'ftp://host/', 'http://me:s3cret@127.0.0.1/', 'http://', '']) {
      leadTo(location);
      await expectRejection(ensure(), 'ERR_NETWORK', /^(?!.*(s3cret|signature))Expected (a redirection|at most 5)/);
    }
    const { fetch: real } = globalThis;
    globalThis.fetch = () =>
      Promise.resolve(new Response(null, { status: 307, headers: { location: 'http://host/' } }));
    try {
      const client = new HubClient(settings({ endpoint: 'https://hub.example', token }), 'acme/tower');
      await expectRejection(client.open('https://hub.example/file'), 'ERR_NETWORK', /redirection to https:\/\//);
    } finally {
      globalThis.fetch = real;
    }
  });

  it('are told apart by what they refuse', async () => {
    hub().add('acme/tower', towerFiles());
    let said = 'RepoNotFound';
    const refused = async (
      status: number,
      code: 'ERR_ARGUMENT' | 'ERR_NETWORK',
      message: RegExp,
      known?: typeof token,
    ) => {
      hub().fault = (_, response) => (refuse(response, status, said), true);
      const how = { settings: settings({ token: known }) };
      await expectRejection(ensure('acme/tower', 'model', how), code, message);
    };
    await refused(
      401,
      'ERR_ARGUMENT',
      /access for acme\/tower at http.* status 401, "no: RepoNotFound": .* no token is set \(HF_TOKEN\) or saved \("hf auth login"\)$/,
    );
    await refused(401, 'ERR_ARGUMENT', /^(?!.*not-for-everybody).*the token in HF_TOKEN may not read it$/, token);
    await refused(
      403,
      'ERR_ARGUMENT',
      /accept its terms at http.*\/acme\/tower, and set HF_TOKEN or log in with "hf auth login"$/,
    );
    await refused(404, 'ERR_ARGUMENT', /a model that exists for acme\/tower/);
    said = 'GatedRepo';
    await refused(401, 'ERR_ARGUMENT', /status 401, "no: GatedRepo": accept its terms at http.*\/acme\/tower/);
    said = 'Teapot';
    await refused(418, 'ERR_NETWORK', /status 418/);
    hub().fault = ({ server }, response) => server === 'storage' && (refuse(response, 403, 'Expired'), true);
    const elsewhere = new RegExp(`^Expected an answer for ${hub().storageOrigin}/[0-9a-f]{64} but received status 403`);
    await expectRejection(ensure(), 'ERR_NETWORK', elsewhere);
    hub().fault = () => false;
    await expectRejection(ensure('acme/nothing'), 'ERR_ARGUMENT', /a model that exists for acme\/nothing/);
    await expectRejection(ensure('acme/tower@v9'), 'ERR_ARGUMENT', /a revision that exists for acme\/tower/);
  });

  it('cannot name files outside the cache', async () => {
    for (const shard of NAMES) {
      const files = { ...towerFiles(), [shard]: { content: WEIGHTS, large: true } };
      delete files['model.safetensors'];
      files['model.safetensors.index.json'] = JSON.stringify({ weight_map: { 'a.weight': shard } });
      hub().add('acme/tower', files);
      await expectRejection(ensure(), 'ERR_FORMAT', /the (name of a \.safetensors file|path of a file) for /);
    }
    for (const part of ['..', '../x', '/x', 'a/../..', '', 'x\\y', 'x\0']) {
      const files = towerFiles();
      files['config.json'] = JSON.stringify({ model_type: 'qavit', tower: part });
      files[`${part}/config.json`] = 'not to be asked for';
      hub().add('acme/tower', files);
      await expectRejection(ensure(), 'ERR_FORMAT', /the name of a folder in it for tower in config\.json/);
    }
    expect(hub().transfers).to.deep.equal([]);
    expect(all(at('.')).filter((name) => path.basename(name).startsWith('x'))).to.deep.equal([]);
  });

  it('cannot name blobs or commits that are no hashes', async () => {
    for (const hash of ['../../x', '', 'A'.repeat(64), '0'.repeat(63), `${'0'.repeat(64)}/x`, 5, null]) {
      hub().add('acme/tower', towerFiles({ hash: hash ?? {} }));
      await expectRejection(ensure(), 'ERR_FORMAT', /a hash and a size for model\.safetensors/);
    }
    for (const sha of ['main', '../..', '0'.repeat(39), undefined, 5]) {
      hub().fault = ({ path: asked }, response) => asked.includes('/revision/') && (json(response, { sha }), true);
      await expectRejection(ensure(), 'ERR_FORMAT', /a commit for main of acme\/tower/);
    }
  });

  it('cannot answer with what is no listing', async () => {
    hub().add('acme/tower', towerFiles());
    const answers: Fault[] = [
      (_, response) => (response.end('no JSON'), true),
      (_, response) => (json(response, null), true),
      ({ path: asked }, response) => asked.includes('/tree/') && (json(response, { a: 1 }), true),
      ({ path: asked }, response) => asked.includes('/tree/') && (json(response, [null]), true),
    ];
    for (const fault of answers) {
      hub().fault = fault;
      await expectRejection(ensure(), 'ERR_FORMAT', /a list of files for acme\/tower at http/);
    }
    hub().fault = ({ path: asked }, response) => {
      if (!asked.includes('/tree/')) return false;
      response.setHeader('content-type', 'application/json');
      response.write('["');
      const send = (): void => void (response.destroyed || response.write(Buffer.alloc(2 ** 20, 'x'), send));
      send();
      return true;
    };
    await expectRejection(ensure(), 'ERR_FORMAT', /at most 67108864 bytes for .*\/tree\//);
  });
});
