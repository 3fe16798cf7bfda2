import { expect } from 'chai';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { QAViT } from '../../lib';
import { runCli } from '../cli/run-cli';
import { root } from '../support/paths';

const FOLDERS = ['', 'docs', 'docs/kernels', 'examples', 'models/demo', 'training', 'training/demo', 'bench/results'];

const documents = FOLDERS.flatMap((folder) =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith('.md') && name !== 'model_card.md')
    .map((name) => path.posix.join(folder, name)),
);
const read = (document: string): string => readFileSync(path.join(root, document), 'utf8');

/** Lines that are commands: blocks, fenced or indented, with continued lines joined. */
function commands(text: string): string[] {
  const lines = text.replace(/\\\n\s*/g, ' ').split('\n');
  return lines
    .filter((line) => /^(\s{4}|\$ )?\s*(npx |npm |node |qavit )/.test(line))
    .map((line) => line.replace(/\s#.*$/, ''));
}

/** What a heading is linked by: lower case, words joined by hyphens, other characters dropped. */
function anchors(text: string): Set<string> {
  const headings = text.matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}

describe('documents', () => {
  it('link to what is there', () => {
    const broken = documents.flatMap((document) =>
      [...read(document).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].flatMap(([, link]) => {
        const [file = '', anchor] = link!.split('#');
        const target = file === '' ? document : path.posix.join(path.posix.dirname(document), file);
        if (!existsSync(path.join(root, target))) return [`${document}: ${link}`];
        return anchor === undefined || anchors(read(target)).has(anchor) ? [] : [`${document}: ${link}`];
      }),
    );
    expect(broken).to.deep.equal([]);
  });

  it('tell of everything that the API takes and gives', () => {
    const types = read('lib/qavit/types.ts') + read('lib/llm/language-model.ts') + read('lib/image/limits.ts');
    const fieldsOf = (name: string): string[] => {
      const [, body = ''] = new RegExp(`^export interface ${name} [^]*?{\\n([^]*?)^}`, 'm').exec(types) ?? [];
      return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, field]) => field!);
    };
    const named = ['LoadOptions', 'EncodeOptions', 'AskOptions', 'GenerateOptions', 'ImageLimits', 'ModelFolders'];
    const given = ['VisualTokens', 'AnswerEnd', 'AttentionMaps', 'LayerMap', 'ModelInfo', 'BatchItem'];
    const fields = [...named, ...given].flatMap((name) => fieldsOf(name));
    expect(fields).to.include.members(['device', 'topK', 'kept', 'finish', 'gates', 'maxPixels']);
    const methods = Object.getOwnPropertyNames(QAViT.prototype).filter((name) =>
      /^(encode|ask|look$|attend|info|close$)/.test(name),
    );
    const codes = [...read('lib/errors.ts').matchAll(/^ {2}\| '(ERR_\w+)'/gm)].map(([, code]) => code!);
    expect(codes).to.have.length.above(5);
    const api = read('docs/api.md');
    const missing = [...fields, ...methods, ...codes].filter((name) => !new RegExp(`\\b${name}\\b`).test(api));
    expect(missing).to.deep.equal([]);
  });

  it('name scripts of package.json that it has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = documents.flatMap((document) =>
      [...read(document).matchAll(/npm run (?:--silent )?([a-z][\w:]*)/g)].map(
        ([, script]) => `${document}: ${script}`,
      ),
    );
    expect(named.length).to.be.above(20);
    expect(named.filter((name) => !scripts[name.replace(/^.*: /, '')])).to.deep.equal([]);
  });

  it('give the qavit command subcommands and options that it takes', async () => {
    const help = new Map<string, string>();
    const unknown: string[] = [];
    let checked = 0;
    for (const document of documents) {
      for (const line of commands(read(document))) {
        const [, command, rest] = /(?:^|npx |\s)qavit ([a-z]+)\b(.*)$/.exec(line) ?? [];
        if (command === undefined) continue;
        if (!help.has(command)) help.set(command, (await runCli([command, '--help'])).stdout);
        for (const [option] of rest!.matchAll(/(?<=\s)--?[a-z][\w-]*/g)) {
          checked++;
          if (!new RegExp(`^  .*${option}\\b`, 'm').test(help.get(command)!))
            unknown.push(`${document}: ${line.trim()}: ${option}`);
        }
        if (!help.get(command)!.startsWith(`Usage: qavit ${command}`)) unknown.push(`${document}: ${line.trim()}`);
      }
    }
    expect(checked).to.be.above(20);
    expect(unknown).to.deep.equal([]);
  });
});
