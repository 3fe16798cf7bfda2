import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TemplateRenderer } from '../../lib/llm/chat/template-renderer';
import { expectRejection } from '../support/expect-error';

const program = path.join(__dirname, 'template-program.js');

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether the process is gone within ten seconds. */
async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < 200 && lives(pid); i += 1) await sleep(50);
  return !lives(pid);
}

describe('the process of a chat template', () => {
  it('does not keep a program alive, and ends with it', async () => {
    const child = spawn(process.execPath, [program, 'idle'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(child.exitCode ?? (await once(child, 'exit'))[0]).to.equal(0);
    expect(await ends(Number(line.toString()))).to.equal(true);
  });

  it('ends in the middle of a loop when the program is killed', async () => {
    const child = spawn(process.execPath, [program, 'loop'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(lives(pid)).to.equal(true);
    child.kill('SIGKILL');
    expect(await ends(pid)).to.equal(true);
  });

  it('is started again after a rendering that ended it', async () => {
    const source = '{% if big %}{% set a = range(1000000000) %}{% endif %}{{ text }}';
    const renderer = new TemplateRenderer(source, 'a template');
    const [small, big, after] = ['a', 'b', 'c'].map((text) => renderer.render({ text, big: text === 'b' }));
    expect(await small).to.deep.equal({ text: 'a' });
    await expectRejection(big!, 'ERR_FORMAT', /for the chat template a template but received /);
    expect(await after).to.deep.equal({ text: 'c' });
    await renderer.close();
    await renderer.close();
  });

  it('gives a template the texts that it is handed, and no functions of ours', async () => {
    const renderer = new TemplateRenderer(
      '{{ a }}|{{ b is defined }}|{{ a.length }}|{{ a.constructor }}',
      'a template',
    );
    expect(await renderer.render({ a: 'é🙂' })).to.deep.equal({ text: 'é🙂|false|3|' });
    await renderer.close();
  });
});
