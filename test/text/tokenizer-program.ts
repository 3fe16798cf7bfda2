/** Loads a tokenizer.json and uses it: run by tokenizer-files.test.ts in a process of its own, which a damaged one might end. */
import { QAViTError } from '../../lib/errors';
import { TextTokenizer } from '../../lib/text/tokenizer';

const TEXTS = ['a b', 'hello wörld é ', 'a'.repeat(60), 'what is written on the blue sign beside the door'];

async function use(file: string): Promise<string> {
  const tokenizer = await TextTokenizer.load(file);
  for (const text of TEXTS) await tokenizer.decode(await tokenizer.encode(text));
  await tokenizer.decode([0, 1, 2]);
  return 'used';
}

async function main([, , ...files]: readonly string[]): Promise<void> {
  for (const file of files) {
    const said = await use(file).catch((error: unknown) => (error instanceof QAViTError ? error.message : error));
    process.stdout.write(`${String(said)}\n`);
  }
}

void main(process.argv);
