import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bomb } from '../serve/security/bomb';
import { root } from '../support/paths';
import { finish, MAIN, runCli, startCli } from './run-cli';

/** Exactly one line that says what is wrong and one that says what to do; nothing on standard output. */
async function expectFailure(
  args: string[],
  code: number,
  message: RegExp,
  hint: RegExp,
  env: Record<string, string> = {},
): Promise<void> {
  const result = await runCli(args, { env });
  expect(result.stdout).to.equal('');
  const [first = '', second = '', ...rest] = result.stderr.split('\n');
  expect(rest, result.stderr).to.deep.equal(['']);
  expect(first)
    .to.match(/^qavit: /)
    .and.match(message);
  expect(second)
    .to.match(/^hint: /)
    .and.match(hint);
  expect(result.code).to.equal(code);
}

describe('cli usage', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'qavit-cli-'));
    writeFileSync(path.join(folder, 'street.png'), 'not really');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('explains itself, with examples and defaults, and succeeds', async () => {
    const { code, stdout, stderr } = await runCli(['--help']);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    for (const command of ['ask', 'encode', 'attend', 'info', 'demo']) {
      expect(stdout).to.match(new RegExp(`^  ${command} `, 'm'));
      const own = await runCli([command, '--help']);
      expect(own.code).to.equal(0);
      expect(own.stdout)
        .to.contain('Examples:')
        .and.contain(`$ qavit ${command}`)
        .and.match(/default: "?auto/);
    }
    expect(stdout).to.contain('Exit codes');
  });

  it('prints its version', async () => {
    for (const option of ['--version', '-v']) {
      const { code, stdout } = await runCli([option]);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^\d+\.\d+\.\d+\S*\n$/);
    }
  });

  it('helps with a command, and refuses what is none as it does elsewhere', async () => {
    const [help, own] = [await runCli(['help', 'ask']), await runCli(['ask', '--help'])];
    expect(help).to.deep.equal({ ...own, code: 0 });
    expect((await runCli(['help'])).stdout).to.equal((await runCli(['--help'])).stdout);
    const unknown = await runCli(['help', 'nope']);
    expect(unknown).to.deep.equal(await runCli(['nope']));
    await expectFailure(['help', 'nope'], 2, /unknown command 'nope'/, /qavit --help/);
    await expectFailure(['help', 'ask', '--foo'], 2, /unknown option '--foo'/, /--help/);
  });

  it('breaks paragraphs of a help at its width', async () => {
    for (const command of ['attend', 'encode', 'serve', 'info', 'fetch', 'convert']) {
      const { stdout } = await runCli([command, '--help']);
      for (const line of stdout.split('Examples:')[0]!.split('\n')) expect(line.length, line).to.be.at.most(80);
    }
  });

  it('prints its help and fails when no command is given', async () => {
    const { code, stderr } = await runCli([]);
    expect(code).to.equal(2);
    expect(stderr).to.contain('Usage: qavit');
  });

  it('suggests the nearest command, option and value', async () => {
    await expectFailure(['aks'], 2, /unknown command 'aks' \(did you mean ask\?\)/, /qavit --help/);
    await expectFailure(
      ['ask', 'a', 'b', '--jsno'],
      2,
      /unknown option '--jsno' \(did you mean --json\?\)/,
      /qavit ask --help/,
    );
    await expectFailure(
      ['ask', 'a', 'b', '--max-tokens', '3'],
      2,
      /unknown option '--max-tokens' \(did you mean --max-new-tokens\?\)/,
      /qavit ask --help/,
    );
    await expectFailure(['encode', 'a', '--output', 'x.npy'], 2, /projected or tower; --out names the file/, /--help/);
    await expectFailure(
      ['info', '--dtype', 'f23'],
      2,
      /'f23' is invalid\. Allowed choices are auto, f32, bf16, f16/,
      /qavit info/,
    );
  });

  it('refuses missing arguments, numbers out of range and options that exclude each other', async () => {
    for (const command of ['ask', 'attend', 'encode'])
      await expectFailure([command, 'a.png', ' '], 2, /'question'\. Expected a question\.$/, /--help/);
    await expectFailure(['ask', 'a.png'], 2, /missing required argument 'question'/, /qavit ask --help/);
    await expectFailure(
      ['ask', 'a', 'b', '--threads', '0'],
      2,
      /--threads.*Expected a whole number from 1 to 256/,
      /--help/,
    );
    await expectFailure(['ask', 'a', 'b', '--threads', '1.5'], 2, /--threads.*whole number/, /--help/);
    await expectFailure(['ask', 'a', 'b', '--temperature', 'hot'], 2, /--temperature.*from 0 to 100/, /--help/);
    await expectFailure(['ask', 'a', 'b', '--top-k', '1.5'], 2, /--top-k.*whole number from 0/, /--help/);
    await expectFailure(['ask', 'a', 'b', '--top-p', ''], 2, /--top-p.*above 0 and at most 1/, /--help/);
    await expectFailure(
      ['ask', 'a', 'b', '--device', 'gpu'],
      2,
      /--device.*Expected auto, cpu, cuda or cuda:N/,
      /--help/,
    );
    await expectFailure(['info', '--model', 'a', '--tower', 'b'], 2, /cannot be used with/, /--help/);
    await expectFailure(['info', folder, '--model', folder], 2, /Expected one model/, /leave out/);
    await expectFailure(['info', '--adapter', folder], 2, /Expected --tower for --adapter/, /--tower <folder>/);
    await expectFailure(['ask', 'a', 'b', '--stop', ''], 2, /--stop.*Expected some text/, /--help/);
    await expectFailure(['info', '--keep-class', 'maybe'], 2, /--keep-class.*Allowed choices are yes, no/, /--help/);
    await expectFailure(['info', '--hidden-layer', '1.5'], 2, /--hidden-layer.*whole number/, /--help/);
    await expectFailure(['encode', 'a', '--out', 'tokens.txt'], 2, /--out.*\.npy or \.safetensors/, /--help/);
    await expectFailure(['attend', 'a', 'b', '--out', 'map.jpg'], 2, /--out.*\.png/, /--help/);
  });

  it('says what it looked for and what is there instead', async () => {
    const mistyped = path.join(folder, 'stret.png');
    await expectFailure(
      ['ask', mistyped, 'what?'],
      1,
      /"[^"]*stret\.png", which does not exist/,
      /looked for .*stret\.png; did you mean .*street\.png\?/,
    );
    await expectFailure(
      ['ask', path.join(folder, 'zzzzzzzzzz.png'), 'what?'],
      1,
      /does not exist/,
      /looked for [^;]*zzzzzzzzzz\.png$/,
    );
    await expectFailure(['ask', folder, 'what?'], 1, /which is a folder/, /in it are street\.png/);
    await expectFailure(['ask', 'https://example.org/a.png', 'what?'], 1, /https:/, /pipe it in/);
    await expectFailure(['info', path.join(folder, 'street.png')], 1, /which is a file/, /its folder is/);
    for (const args of [
      ['ask', '', 'what?'],
      ['info', '--model', ''],
      ['info', '--tower', ''],
    ])
      await expectFailure(args, 1, /Expected [^"]* but received ""$/, /a variable .* may be empty/);
    await expectFailure(['ask', '-', 'what?'], 1, /on standard input but received nothing$/, /pipe may have failed/);
    await expectFailure(['info', '--tower', path.join(folder, 'x')], 1, /--tower/, /looked for/);
  });

  it('says what to do about what the library refuses', async () => {
    const picture = path.join(root, 'models', 'demo', 'samples', 'shapes.png');
    const svg = path.join(folder, 'a.svg');
    writeFileSync(svg, '<svg xmlns="http://www.w3.org/2000/svg"/>');
    await expectFailure(['ask', svg, 'what?'], 1, /a\.svg but received SVG or XML$/, /save it as PNG or JPEG/);
    await expectFailure(['ask', path.join(folder, 'street.png'), 'what?'], 1, /no picture$/, /save it as PNG or JPEG/);
    await expectFailure(['ask', picture, '!'], 1, /for the question but received "!"/, /ask in words/);
    await expectFailure(['ask', picture, 'what?', '--dtype', 'f16'], 1, /"f16"/, /leave --dtype at auto/);
    const demo = path.join(root, 'models', 'demo');
    const plain = ['--tower', path.join(demo, 'tower')];
    const fused = [...plain, '--adapter', path.join(demo, 'adapter')];
    await expectFailure(['ask', picture, 'what?', ...plain], 1, /but received one without$/, /--tower and --language/);
    await expectFailure(['attend', picture, 'what?', ...plain], 1, /with an adapter/, /--tower and --adapter/);
    await expectFailure(['encode', picture, 'what?', ...plain], 1, /no adapter/, /--tower and --adapter/);
    await expectFailure(['encode', picture, 'what?', ...fused], 1, /that reads questions/, /--questions or --language/);
    const tooMany = ['ask', picture, 'what?', '--visual-tokens', '99'];
    await expectFailure(tooMany, 1, /^qavit: Expected at most 65, .* for --visual-tokens but received 99$/, /smaller/);
    const higher = ['encode', picture, 'what?', '--hidden-layer', '6'];
    await expectFailure(
      higher,
      1,
      /^qavit: Expected an integer from -6 to 5 for --hidden-layer but received 6$/,
      /--help/,
    );
    const unfused = ['encode', picture, 'what?', '--hidden-layer', '2'];
    await expectFailure(unfused, 1, /a fused layer below 2, .* received layers 2, 3, 4$/, /leave it out/);
    await expectFailure(['ask', picture, 'a '.repeat(50_000)], 1, /at most 65536 characters/, /fewer words/);
    const bombed = path.join(folder, 'bomb.png');
    writeFileSync(bombed, bomb(20_000));
    await expectFailure(['ask', bombed, 'what?'], 1, /at most 67108864 pixels for .*20000 x 20000/, /smaller first/);
    await expectFailure(['ask', picture, 'what?', '--system', 'x'], 1, /chat template/, /leave out --system/);
    await expectFailure(['ask', picture, 'what?', '--language-dtype', 'q4'], 1, /_q4\.onnx/, /leave --language-dtype/);
    await expectFailure(
      ['ask', picture, 'what?', '--model', folder],
      1,
      /config\.json.*not exist/,
      /qavit info <folder>/,
    );
  });

  it('says what to do about what the environment and the machine say', async () => {
    const info = ['info', 'org/nothing'];
    await expectFailure(['info'], 1, /for QAVIT_CPU but received fast$/, /unset QAVIT_CPU/, { QAVIT_CPU: 'fast' });
    await expectFailure(info, 1, /for HF_ENDPOINT/, /unset HF_ENDPOINT/, { HF_ENDPOINT: 'nonsense' });
    await expectFailure([...info, '--offline'], 1, /for the cache but received none/, /leave out --offline/);
    const tower = path.join(root, 'models', 'demo', 'tower');
    const unnamed = ['info', '--tower', tower, '--language', 'http://127.0.0.1/v1'];
    await expectFailure(unnamed, 1, /the model's name behind #/, /docs\/runtimes\.md/);
    if (existsSync('/dev/null')) await expectFailure(['ask', '/dev/null', 'what?'], 1, /special file/, /pipe it in/);
  });

  it('takes no more from standard input than a picture may have', async () => {
    const child = startCli(['ask', '-', 'what?']);
    child.stdin.on('error', () => undefined);
    const chunk = Buffer.alloc(2 ** 20);
    let sent = 0;
    const send = (): void => {
      while (sent < 512 && child.stdin.writable) {
        sent += 1;
        if (!child.stdin.write(chunk)) return void child.stdin.once('drain', send);
      }
      child.stdin.end();
    };
    send();
    const { code, stderr } = await finish(child);
    expect(code, stderr).to.equal(1);
    expect(stderr).to.match(/at most 67108864 bytes/);
    expect(sent).to.be.below(128);
  });

  it('says what is wrong with a URL of a file', async () => {
    await expectFailure(['ask', 'file:///a%zz', 'what?'], 1, /an image file but received "file:\/\/\/a%zz": /, /path/);
  });

  it('says so where its output cannot be written', function () {
    if (!existsSync('/dev/full')) this.skip();
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [MAIN, '--help'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(status).to.equal(1);
    expect(stderr).to.match(/^qavit: Expected standard output .*ENOSPC.*\nhint: .*\n$/);
  });

  it('keeps a message on one line and free of control characters, whatever a name holds', async () => {
    await expectFailure(['ask', 'a\n\u001b[31mb\u0007.png', 'what?'], 1, /^[\u0020-\u007e]*$/, /^[\u0020-\u007e]*$/);
  });

  it('shows where an error comes from only when asked to', async () => {
    const { stderr } = await runCli(['ask', path.join(folder, 'x.png'), 'what?'], { env: { QAVIT_DEBUG: '1' } });
    expect(stderr).to.match(/^qavit: .*\nhint: .*\n.*Error: .*\n\s+at /);
  });

  it('ends with 130 after Ctrl-C and 143 after SIGTERM, in silence', async () => {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const child = startCli(['ask', '-', 'what?']);
      const finished = finish(child);
      child.stdin.on('error', () => undefined);
      // More than a pipe holds: once it is written, the command is reading.
      child.stdin.write(Buffer.alloc(4 << 20), () => child.kill(signal));
      expect(await finished).to.deep.equal({ code, signal: null, stdout: '', stderr: '' });
    }
  });

  it('ends quietly when nobody reads its output', async () => {
    const child = startCli(['--help']);
    child.stdout.destroy();
    expect(await finish(child)).to.include({ code: 0, stderr: '' });
  });
});
