import { access, constants, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import type { QAViT } from '../..';
import { CliError } from '../errors';
import { writeWhole } from '../files';
import { EMBEDDED, openModel } from '../open-model';
import { addDeviceOptions, type DeviceOptions } from '../options';
import { print, printJson } from '../output';
import { packageRoot } from '../../package-root';
import { Status } from '../status';
import { Timer } from '../timer';

const EXAMPLES = `
Examples:
  $ qavit demo
  $ qavit demo --dtype f32 --json`;

const SAMPLES = path.join(packageRoot, 'models', EMBEDDED, 'samples');

/** Tokens rated highest for a question whose patches are outlined: as many as an object has, and a few that it has not. */
const OUTLINED = 6;

interface Sample {
  /** File in the folder of samples. */
  image: string;
  questions: { question: string; answer: string }[];
}

interface Answered {
  question: string;
  answer: string;
  truth: string;
}

async function firstSample(): Promise<Sample> {
  const list = path.join(SAMPLES, 'samples.json');
  const text = await readFile(list, 'utf8').catch(() => {
    throw new CliError(
      `Expected the demo's samples but received none at ${list}`,
      'install the package again, with its models/demo folder.',
    );
  });
  const [sample] = JSON.parse(text) as Sample[];
  if (sample) return sample;
  throw new CliError(
    `Expected a sample in ${list} but received none`,
    'install the package again, with its models/demo folder.',
  );
}

/** The current folder, as `qavit attend` takes it, or where it cannot be written to the system's for temporary files. */
async function writableFolder(): Promise<string> {
  const here = process.cwd();
  return access(here, constants.W_OK).then(
    () => here,
    () => tmpdir(),
  );
}

async function answerAll(
  model: QAViT,
  sample: Sample,
  onAnswer: (answered: Answered) => Promise<void>,
  signal: AbortSignal,
): Promise<Answered[]> {
  // The layers below the first fused one see the picture once for all questions.
  using seen = await model.look(path.join(SAMPLES, sample.image), { signal });
  const all: Answered[] = [];
  for (const { question, answer: truth } of sample.questions) {
    let answer = '';
    for await (const piece of model.ask(seen, question, { signal })) answer += piece;
    const answered = { question, answer: answer.trim(), truth };
    all.push(answered);
    await onAnswer(answered);
  }
  return all;
}

async function drawTwo(
  model: QAViT,
  image: string,
  answered: readonly Answered[],
  signal: AbortSignal,
): Promise<string> {
  const { drawQuestions, measureQuestions } = await import('../question-map.js');
  const shown = answered.slice(0, 2);
  const request = {
    image,
    questions: shown.map(({ question }) => question),
    answers: shown.map(({ answer }) => answer),
    name: EMBEDDED,
    outlined: OUTLINED,
  };
  const out = path.join(await writableFolder(), `${path.parse(image).name}.attention.png`);
  await writeWhole(out, await drawQuestions(await measureQuestions(model, request, signal)));
  return out;
}

async function demo(options: DeviceOptions, signal: AbortSignal): Promise<void> {
  using status = new Status(options);
  const total = new Timer();
  const sample = await firstSample();
  const image = path.join(SAMPLES, sample.image);
  await using model = await openModel(options, status, signal);
  const width = Math.max(...sample.questions.map(({ question }) => question.length));
  const answerWidth = Math.max(...sample.questions.map(({ answer }) => answer.length)) + 2;

  if (!options.json) await print(`${image}\n\n`, signal);
  const answered = await answerAll(
    model,
    sample,
    async ({ question, answer, truth }) => {
      if (options.json) return;
      const judged = answer === truth ? 'right' : `wrong, it is ${truth}`;
      await print(`  ${question.padEnd(width)}  ${answer.padEnd(answerWidth)}  ${judged}\n`, signal);
    },
    signal,
  );
  status.show('drawing');
  const out = await drawTwo(model, image, answered, signal);
  status.clear();

  const right = answered.filter(({ answer, truth }) => answer === truth).length;
  if (options.json) return printJson({ image, answers: answered, right, out, timings: { totalMs: total.ms } }, signal);
  return print(
    `\n  ${right} of ${answered.length} right. What two of the questions change in the encoder:\n  ${out}\n`,
    signal,
  );
}

export function addDemo(program: Command, signal: AbortSignal): Command {
  const command = program
    .command('demo')
    .summary('see it work on a picture that comes with the package')
    .description(
      'Answers questions about a shipped picture with the embedded model and draws what two of them change.',
    );
  return addDeviceOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((options: DeviceOptions) => demo(options, signal));
}
