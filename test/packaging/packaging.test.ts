import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { runCli } from '../cli/run-cli';
import { root } from '../support/paths';

const read = (...parts: string[]): string => readFileSync(path.join(root, ...parts), 'utf8');

/** Instructions without comments and with continued lines joined. */
function instructions(): string[] {
  const text = read('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ');
  return text.split('\n').filter((line) => line.trim() !== '');
}

/** What an instruction in its JSON form runs. */
function commandOf(instruction: string): string[] {
  const line = instructions().find((each) => each.startsWith(instruction))!;
  return JSON.parse(line.slice(line.indexOf('['))) as string[];
}

describe('Dockerfile', () => {
  it('copies what is there, and what .dockerignore lets through', () => {
    const sources = instructions()
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    const passed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    expect(sources).to.include.members(['lib', 'native', 'assets', 'models/demo', 'package.json']);
    for (const source of sources) {
      expect(existsSync(path.join(root, source)), source).to.equal(true);
      expect(passed, source).to.include(`!${source}`);
    }
  });

  it('has both targets, and none that runs as root', () => {
    const lines = instructions();
    const stages = lines.flatMap((line) => /^FROM (\S+) AS (\S+)$/.exec(line)?.slice(1, 3).join(' ') ?? []);
    expect(stages).to.include.members(['server cuda', 'server cpu']);
    const server = lines.slice(lines.indexOf('FROM base AS server'));
    expect(server.filter((line) => line.startsWith('USER '))).to.deep.equal(['USER node']);
  });

  it('starts the server by its variables, and sees whether it is well', async function () {
    this.timeout(60_000);
    const [node, main, ...args] = commandOf('ENTRYPOINT');
    expect([node, main]).to.deep.equal([
      'node',
      (JSON.parse(read('package.json')) as { bin: { qavit: string } }).bin.qavit,
    ]);
    const variables = Object.fromEntries(
      [
        ...instructions()
          .join('\n')
          .matchAll(/\b(QAVIT_\w+)=(\S+)/g),
      ].map(([, name, value]) => [name, value]),
    ) as Record<string, string>;
    expect(variables).to.deep.equal({ QAVIT_HOST: '0.0.0.0', QAVIT_PORT: '8000' });
    const env = { ...process.env, ...variables, QAVIT_HOST: '127.0.0.1', QAVIT_PORT: '0', QAVIT_LOG_LEVEL: 'silent' };
    const child = spawn(process.execPath, [main!, ...args], { cwd: root, env });
    const health = (port: string): number | null => {
      const [, ...check] = commandOf('HEALTHCHECK');
      return spawnSync(process.execPath, check, { env: { ...process.env, QAVIT_PORT: port } }).status;
    };
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const port = /:(\d+)$/.exec(line)?.[1] ?? line;
    expect(health(port)).to.equal(0);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).to.deep.equal([0, null]);
    expect(health(port)).to.equal(1);
  });
});

describe('systemd unit', () => {
  it('names options that there are, and lets the server finish what it has', async () => {
    const unit = read('packaging', 'systemd', 'qavit.service');
    const { stdout: help } = await runCli(['serve', '--help']);
    const options = [.../^ExecStart=(.*)$/m.exec(unit)![1]!.matchAll(/--[\w-]+/g)].map(([option]) => option);
    expect(options).to.include('--api-key-file');
    for (const option of options) expect(help, option).to.match(new RegExp(`${option} `));
    expect(unit).to.match(/^KillMode=mixed$/m);
    const drain = Number(/--drain[^\n]*\n?[^\n]*default: (\d+)/.exec(help)?.[1]);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).to.be.above(drain);
  });
});
