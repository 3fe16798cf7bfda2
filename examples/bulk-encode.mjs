// A folder of pictures to visual tokens, one .safetensors file each, with a progress bar. Stop it at any time (Ctrl-C): started again it goes on
// where it was, and encodes anew what was made with another question or model.
//
//   node examples/bulk-encode.mjs models/demo/samples tokens --question "how many squares are there?"
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { QAViT } from 'qavit';
import { Progress } from './support/progress.mjs';
import { readMetadata, writeTensor } from './support/safetensors.mjs';

const PICTURES = /\.(avif|gif|jpe?g|png|tiff?|webp)$/i;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'demo' },
    question: { type: 'string' },
    output: { type: 'string', default: 'projected' },
    batch: { type: 'string', default: '16' },
  },
});
const [from, to] = positionals;
const batchSize = Number(values.batch);
if (!from || !to || !(Number.isInteger(batchSize) && batchSize > 0)) {
  console.error(
    'usage: node examples/bulk-encode.mjs <pictures> <out> [--question <words>] [--model <folder>] [--output tower] [--batch 16]',
  );
  process.exit(2);
}
const { model: modelName, output } = values;
const question = values.question ?? null;
/** What a finished file was made from; another run with the same leaves it alone. */
const madeFrom = { model: modelName, output, question: question ?? '' };

const pictures = (await readdir(from, { recursive: true })).filter((name) => PICTURES.test(name)).sort();
const target = (name) => path.join(to, `${name}.safetensors`);
const isDone = async (name) => {
  const metadata = await readMetadata(target(name));
  return metadata !== undefined && Object.entries(madeFrom).every(([key, value]) => metadata[key] === value);
};
const waiting = [];
// One by one: there may be more pictures than files that a process may have open.
for (const name of pictures) if (!(await isDone(name))) waiting.push(name);

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const model = await QAViT.load(modelName);
const progress = new Progress(waiting.length);
const failures = [];
let written = 0;

/** One by one, after a batch failed: a broken picture must not cost its neighbours. */
async function encodeEach(names) {
  const tokens = [];
  for (const name of names) {
    const encoded = model.encode(path.join(from, name), question, { output, signal: stop.signal });
    tokens.push(await encoded.catch((error) => (stop.signal.aborted ? undefined : void failures.push([name, error]))));
  }
  return tokens;
}

for (let start = 0; start < waiting.length && !stop.signal.aborted; start += batchSize) {
  const names = waiting.slice(start, start + batchSize);
  const items = names.map((name) => ({ image: path.join(from, name), question }));
  const batch = await model.encodeBatch(items, { output, signal: stop.signal }).catch(() => encodeEach(names));
  for (const [i, tokens] of batch.entries()) {
    if (!tokens) continue;
    await mkdir(path.dirname(target(names[i])), { recursive: true });
    await writeTensor(target(names[i]), 'tokens', tokens, { ...madeFrom, key: tokens.key });
    written++;
  }
  progress.add(names.length);
}
progress.end();
await model.close();

console.log(`${written} encoded, ${pictures.length - waiting.length} already there, ${failures.length} failed`);
for (const [name, error] of failures) console.error(`${name}: ${error.message}`);
if (stop.signal.aborted) console.error('stopped; start it again to go on');
if (failures.length > 0 || stop.signal.aborted) process.exitCode = 1;
