import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { finish, runCli, startCli } from '../cli/run-cli';
import { root } from '../support/paths';
import { temporaryFolder } from '../support/temporary';
import { dataUrl } from './server/requests';

const CPU = ['--device', 'cpu', '--threads', '1', '--port', '0', '--log-level', 'silent'];

describe('qavit serve', () => {
  const at = temporaryFolder();
  const running: ChildProcessWithoutNullStreams[] = [];
  afterEach(() => running.splice(0).forEach((child) => child.kill('SIGKILL')));

  /** Starts the command and waits for the line that it prints when it is ready. */
  async function start(args: readonly string[], env: Record<string, string> = {}) {
    const child = startCli(['serve', ...args], { env });
    running.push(child);
    const ended = finish(child);
    const lines = createInterface(child.stdout);
    const [line] = (await Promise.race([once(lines, 'line'), ended.then(({ stderr }) => [stderr])])) as [string];
    return { child, line, url: /http:[^\s"]+/.exec(line)?.[0] ?? '', ended };
  }

  const asked = {
    model: 'demo',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'what digit is on the red square?' },
          { type: 'image_url', image_url: { url: dataUrl('digits') } },
        ],
      },
    ],
  };
  const ask = (url: string) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked),
    });

  it('prints one line when it is ready, answers, and lets running requests finish after SIGTERM', async () => {
    const { child, line, url, ended } = await start(CPU);
    expect(line).to.match(/^qavit serves demo at http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/readyz`)).status).to.equal(200);
    // The first answer takes longest; the signal comes while it is on its way.
    const answers = [ask(url), ask(url), ask(url)];
    await fetch(`${url}/healthz`);
    child.kill('SIGTERM');
    const statuses = await Promise.all(answers.map(async (reply) => (await reply).status));
    expect(statuses.every((status) => status === 200 || status === 503)).to.equal(true);
    expect(statuses).to.include(200);
    const { code, stdout } = await ended;
    expect(code).to.equal(0);
    expect(stdout.trim().split('\n')).to.have.length(1);
  });

  it('takes the command line before the environment, and that before the file', async () => {
    writeFileSync(
      at('serve.json'),
      JSON.stringify({ maxQuestion: 5, name: 'file', maxNewTokens: 7, logLevel: 'silent' }),
    );
    const env = { QAVIT_MAX_QUESTION: '6', QAVIT_NAME: 'environment', QAVIT_CONFIG: at('serve.json') };
    const { line, url } = await start([...CPU, '--name', 'flag', '--json'], env);
    expect(JSON.parse(line)).to.deep.equal({ url, models: ['flag'] });
    const tokens = (question: string) =>
      fetch(`${url}/v1/visual-tokens`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'flag', image: dataUrl('digits'), question }),
      });
    expect((await tokens('sixsix')).status).to.equal(200);
    const refused = await tokens('seven!!');
    expect([refused.status, await refused.text()].join()).to.match(/^400,.*at most 6 characters/);
    const openapi = (await (await fetch(`${url}/openapi.json`)).json()) as object;
    expect(JSON.stringify(openapi)).to.include('"max_tokens":{"type":["integer","null"],"minimum":1,"maximum":7,');
  });

  it('takes the model that the command line names for any that the file names', async () => {
    const demo = path.join(root, 'models', 'demo');
    const [tower, adapter] = ['tower', 'adapter'].map((part) => path.join(demo, part));
    const served = async (config: object, ...args: string[]) => {
      writeFileSync(at('one.json'), JSON.stringify(config));
      const { line } = await start([...CPU, '--json', '--config', at('one.json'), ...args]);
      return (JSON.parse(line) as { models: string[] }).models;
    };
    expect(await served({ tower, adapter })).to.deep.equal(['tower + adapter']);
    expect(await served({ tower, adapter }, '--model', demo)).to.deep.equal(['demo']);
    expect(await served({ model: 'nowhere' }, '--tower', tower!)).to.deep.equal(['tower']);
  });

  it('serves several models of a file', async () => {
    writeFileSync(
      at('models.json'),
      JSON.stringify({ models: { a: { device: 'cpu' }, b: { devices: ['cpu', 'cpu'], dtype: 'f32' } } }),
    );
    const { url } = await start([...CPU, '--config', at('models.json')]);
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string; qavit: object }[] };
    expect(data.map(({ id }) => id)).to.deep.equal(['a', 'b']);
    expect(data[1]!.qavit).to.include({ dtype: 'f32', replicas: 2 });
  });

  it('loads the models of a file as the options say, unless the file says otherwise', async () => {
    const [tower, adapter, language] = ['tower', 'adapter', 'language'].map((part) =>
      path.join(root, 'models', 'demo', part),
    );
    const config = {
      visualTokens: 9,
      keepClass: false,
      offline: true,
      maxPatches: 40,
      models: {
        a: { imageSize: { width: 96, height: 64 } },
        b: { visualTokens: 4, dtype: 'f32', threads: 1, keepClass: 'yes', hiddenLayer: 4, imageSize: '96x64' },
        c: { tower, adapter, questions: language, device: 'cpu' },
      },
    };
    writeFileSync(at('several.json'), JSON.stringify(config));
    const { url } = await start(['--devices', 'cpu,cpu', '--port', '0', '--config', at('several.json')]);
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { qavit: Record<string, unknown> }[] };
    const told = data.map(({ qavit: { visualTokens, replicas, canAnswer } }) => [visualTokens, replicas, canAnswer]);
    expect(data.map(({ qavit: { maxPatches } }) => maxPatches)).to.deep.equal([null, null, 40]);
    expect(told).to.deep.equal([
      [9, 2, true],
      [4, 2, true],
      [9, 1, false],
    ]);
    expect(data[1]!.qavit.dtype).to.equal('f32');
    const states = data.map(({ qavit: { allTokens, fusedLayers } }) => [allTokens, fusedLayers]);
    expect(states).to.deep.equal([
      [96, [2, 3, 4]],
      [97, [2, 3]],
      [40, [2, 3, 4]],
    ]);
    const sizes = data.map(({ qavit: { grid } }) => grid);
    expect(sizes).to.deep.equal([
      { rows: 8, columns: 12 },
      { rows: 8, columns: 12 },
      { rows: 6, columns: 6 },
    ]);
    // Without a language model to answer, the folder that reads questions still does.
    const asked = { model: 'c', image: dataUrl('digits'), question: 'what digit is on the red square?' };
    const reply = await fetch(`${url}/v1/visual-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked),
    });
    expect([reply.status, ((await reply.json()) as { shape: number[] }).shape]).to.deep.equal([200, [9, 128]]);
  });

  it('asks for a key where there are some, in a file or in the environment', async () => {
    writeFileSync(at('keys.txt'), '# of the team\nsesame\n\n');
    const { url } = await start([...CPU, '--api-key-file', at('keys.txt')], { QAVIT_API_KEYS: 'open, #other' });
    const status = async (key?: string) =>
      (await fetch(`${url}/v1/models`, { headers: key ? { authorization: `Bearer ${key}` } : {} })).status;
    expect([await status(), await status('wrong'), await status('# of the team')]).to.deep.equal([401, 401, 401]);
    expect([await status('sesame'), await status('open'), await status('#other')]).to.deep.equal([200, 200, 200]);
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
  });

  it('warns where everybody on the network may ask', async () => {
    writeFileSync(at('key.txt'), 'sesame\n');
    const said = async (...args: string[]) => {
      const { child, ended } = await start([...CPU, ...args]);
      child.kill('SIGTERM');
      return (await ended).stderr;
    };
    expect(await said('--host', '0.0.0.0')).to.match(/^qavit: no API keys are set: .*\nhint: --api-key-file\n$/);
    expect(await said('--host', '0.0.0.0', '--api-key-file', at('key.txt'))).to.equal('');
    expect(await said()).to.equal('');
  });

  it('says what is wrong with its configuration', async () => {
    writeFileSync(at('empty.txt'), '\n# nothing\n');
    writeFileSync(at('slip.json'), JSON.stringify({ maxQuestoin: 3 }));
    writeFileSync(at('value.json'), JSON.stringify({ port: 'eighty' }));
    writeFileSync(at('model.json'), JSON.stringify({ models: { a: { folder: 'x' } } }));
    const refused = async (args: string[], message: RegExp, env: Record<string, string> = {}) => {
      const { code, stderr } = await runCli(['serve', ...CPU, ...args], { env });
      expect(code, stderr).to.equal(2);
      expect(stderr).to.match(message);
    };
    await refused(['--api-key-file', at('empty.txt')], /Expected keys in .* but received none/);
    await refused([], /Expected keys in QAVIT_API_KEYS but received none/, { QAVIT_API_KEYS: ' , ' });
    await refused(['--config', at('slip.json')], /"maxQuestoin"\nhint: did you mean maxQuestion\?/);
    await refused(['--config', at('value.json')], /a valid port .* received "eighty"/);
    await refused(['--config', at('model.json')], /"folder"/);
    writeFileSync(at('text.json'), JSON.stringify({ models: { a: { visualTokens: 'four' } } }));
    await refused(['--config', at('text.json')], /a valid models\.a\.visualTokens in .* "four"/);
    const inFile = async (config: object, message: RegExp) => {
      writeFileSync(at('wrong.json'), JSON.stringify(config));
      await refused(['--config', at('wrong.json')], message);
    };
    await inFile({ models: { a: { json: true } } }, /"json"\nhint: known are model, tower, /);
    await inFile({ models: { a: { offline: 'yes' } } }, /models\.a\.offline in .*\n.*true or false/);
    for (const imageSize of [{ width: 96 }, { width: 96, height: 64, depth: 3 }])
      await inFile({ models: { a: { imageSize } } }, /models\.a\.imageSize in .*\nhint: Expected width and height/);
    await inFile(
      { imageSize: 64, maxPatches: 64 },
      /Expected --image-size or --max-patches but received both\nhint: leave/,
    );
    await inFile({ imageSize: { width: 96, height: '6e1' } }, /a valid imageSize in .*"6e1"}\n.*as in 640x360/);
    await inFile(
      { models: { a: { hiddenLayer: {} } } },
      /a valid models\.a\.hiddenLayer in .*\n.*as on the command line/,
    );
    await inFile({ models: { a: { dtype: 'f31' } } }, /models\.a\.dtype in .* "f31"\n.*f32/);
    await inFile({ models: { a: { model: 'demo', tower: 'x' } } }, /a model or its parts for models\.a /);
    await inFile({ model: 'demo', tower: 'x' }, /a model or its parts for the options of /);
    await inFile({ models: { a: {} }, adapter: 'x' }, /both, with --adapter\nhint: leave out --adapter/);
    await inFile({ offline: 'no' }, /a valid offline in .* "no"\nhint: Expected true or false/);
    await refused(['--remote-images', 'maybe'], /yes, no/);
    // It would be every address of the machine.
    await refused(['--host', ''], /--host.*Expected an address/);
    await refused([], /QAVIT_HOST.*Expected an address/, { QAVIT_HOST: '' });
    for (const origin of ['*', 'https://page.example/', 'https://Page.example', 'page.example'])
      await refused(['--cors', `https://page.example,${origin}`], /--cors.*Expected origins such as/);
    writeFileSync(at('keys.txt'), 'sesame\nopen # ours\n');
    await refused(['--api-key-file', at('keys.txt')], /keys\.txt" but received another as key 2\nhint: /);
    await refused([], /in QAVIT_API_KEYS but received another as key 1\nhint: /, { QAVIT_API_KEYS: 'two words' });
  });

  it('says that an address is taken', async () => {
    const { url } = await start(CPU);
    const { code, stderr } = await runCli(['serve', '--device', 'cpu', '--port', new URL(url).port]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/another program listens there\nhint: /);
  });
});
