import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { QAViT } from '../../lib';
import { finish } from '../cli/run-cli';
import { root } from '../support/paths';
import { readSafetensors } from '../support/safetensors';
import { temporaryFolder } from '../support/temporary';
import { runExample } from './run-example';

const SAMPLES = path.join(root, 'models', 'demo', 'samples');
const sample = (name: string): string => path.join(SAMPLES, name);
const QUESTION = 'how many squares are there?';

describe('examples: programs', function () {
  this.timeout(60_000);
  const at = temporaryFolder();

  it('each has its line in examples/README.md', () => {
    const readme = readFileSync(path.join(root, 'examples', 'README.md'), 'utf8');
    const programs = readdirSync(path.join(root, 'examples')).filter((name) => name.endsWith('.mjs'));
    expect(programs).to.have.length.above(4);
    for (const name of programs) expect(readme, name).to.include(`](${name})`);
  });

  it('ops.mjs: the gate at zero leaves the frozen projection as it is, open it does not', async () => {
    const { code, stdout, stderr } = await runExample('ops.mjs');
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    const [attention, closed, open] = [...stdout.matchAll(/by (?:up to )?(\d\S*e[+-]\d+)/g)].map(([, number]) =>
      Number(number),
    );
    expect(attention).to.be.above(1e-3);
    expect(closed).to.be.below(1e-6);
    expect(open).to.be.above(1e-3);
  });

  it('worker-pool.mjs answers in order, and tells which picture it could not read', async () => {
    const broken = at('broken.png');
    writeFileSync(broken, 'no picture');
    const images = [sample('shapes.png'), sample('letters.png'), broken, sample('digits.png')];
    const { code, stdout, stderr } = await runExample('worker-pool.mjs', [
      'what digit is on the red square?',
      ...images,
    ]);
    expect({ code, stderr }).to.deep.equal({ code: 1, stderr: '' });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(lines.map(([image]) => image)).to.deep.equal(images);
    await using model = await QAViT.load('demo');
    for (const [i, image] of images.entries()) {
      let answer = '';
      if (image !== broken)
        for await (const text of model.ask(image, 'what digit is on the red square?')) answer += text;
      expect(lines[i]?.[1], image).to.match(image === broken ? /^Expected JPEG/ : new RegExp(`^${answer.trim()}$`));
    }
    expect((await runExample('worker-pool.mjs', [])).code).to.equal(2);
  });

  it('bulk-encode.mjs writes what encode gives, goes on where it was, and starts over for another question', async () => {
    const [from, to] = [at('pictures'), at('tokens')];
    mkdirSync(path.join(from, 'more'), { recursive: true });
    copyFileSync(sample('shapes.png'), path.join(from, 'a.png'));
    copyFileSync(sample('letters.png'), path.join(from, 'more', 'b.png'));
    writeFileSync(path.join(from, 'c.png'), 'no picture');
    writeFileSync(path.join(from, 'notes.txt'), 'not looked at');
    const encode = (question: string) =>
      runExample('bulk-encode.mjs', [from, to, '--question', question, '--batch', '2']);

    const first = await encode(QUESTION);
    expect(first.code).to.equal(1);
    expect(first.stdout).to.equal('2 encoded, 0 already there, 1 failed\n');
    expect(first.stderr).to.match(/^c\.png: Expected JPEG.*\n$/);
    const file = path.join(to, 'a.png.safetensors');
    await using model = await QAViT.load('demo');
    const wanted = await model.encode(sample('shapes.png'), QUESTION);
    const tensor = readSafetensors(file).get('tokens');
    expect(tensor?.shape).to.deep.equal(wanted.shape);
    expect(Array.from(tensor?.data ?? [])).to.deep.equal(Array.from(wanted.data));

    const before = statSync(file).mtimeMs;
    expect((await encode(QUESTION)).stdout).to.equal('0 encoded, 2 already there, 1 failed\n');
    expect(statSync(file).mtimeMs).to.equal(before);
    writeFileSync(path.join(to, 'more', 'b.png.safetensors'), 'cut short');
    expect((await encode(QUESTION)).stdout).to.equal('1 encoded, 1 already there, 1 failed\n');
    expect((await encode('is there a star?')).stdout).to.equal('2 encoded, 0 already there, 1 failed\n');
    const left = readdirSync(to, { recursive: true }).map(String).sort();
    expect(left).to.deep.equal(['a.png.safetensors', 'more', path.join('more', 'b.png.safetensors')]);
    expect((await runExample('bulk-encode.mjs', [from])).code).to.equal(2);
  });

  it('bulk-encode.mjs goes on where it was in a folder of more pictures than it may have files open', async function () {
    if (process.platform === 'win32') this.skip();
    const [from, to] = [at('many'), at('tokens-of-many')];
    mkdirSync(from);
    for (let i = 0; i < 200; i++) copyFileSync(sample('shapes.png'), path.join(from, `${i}.png`));
    const encode = () => {
      const program = [process.execPath, path.join(root, 'examples', 'bulk-encode.mjs'), from, to];
      return finish(spawn('sh', ['-c', 'ulimit -n 100; exec "$0" "$@"', ...program]));
    };
    expect(await encode()).to.include({ stdout: '200 encoded, 0 already there, 0 failed\n', stderr: '' });
    expect(await encode()).to.include({ stdout: '0 encoded, 200 already there, 0 failed\n', stderr: '' });
  });
});
