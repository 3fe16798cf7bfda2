import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { QAViT } from '../..';
import type { AttentionFigureInput } from '../../view/attention-figure';
import { paragraph } from '../help-text';
import { imageArgument, writeWhole } from '../files';
import { nameOf, openModel } from '../open-model';
import { addModelOptions, type ModelOptions, questionText } from '../options';
import { print, printJson, table } from '../output';
import { Status } from '../status';
import { Timer } from '../timer';

const ABOUT =
  'The picture shows, side by side: the picture, which patches stand out to the plain ViT, and for each question how far ' +
  "it changes every patch's feature; below, the gates tanh(beta), how differently two questions make the encoder see " +
  'every patch, and how much attention every patch pays to each question. With --visual-tokens the patches that are ' +
  'handed over are outlined. --json prints all numbers.';
const EXAMPLES = `
Examples:
  $ qavit attend street.jpg "What is written on the blue sign?"
  $ qavit attend street.jpg "Where is the cyclist?" "What colour is the bus?" --out map.png
  $ qavit attend models/demo/samples/shapes.png "what digit is on the red square?" --visual-tokens 6
  $ qavit attend street.jpg "Where is the cyclist?" --tower clip-vit-large-patch14-336 --adapter my-adapter --language my-t5`;

interface AttendOptions extends ModelOptions {
  out?: string;
  /** --no-answers */
  answers: boolean;
}

function pngFile(name: string): string {
  if (path.extname(name).toLowerCase() === '.png') return name;
  throw new InvalidArgumentError('Expected a name that ends in .png.');
}

/** `street.jpg` -> `street.attention.png` in the current folder. */
function defaultOut(image: string): string {
  const { name } = path.parse(image);
  return image === '-' ? 'attention.png' : `${name}.attention.png`;
}

async function answersTo(
  model: QAViT,
  image: string | Buffer,
  questions: readonly string[],
  signal: AbortSignal,
): Promise<(string | undefined)[]> {
  if (!model.info.language) return [];
  const answers: string[] = [];
  for (const question of questions) {
    let answer = '';
    for await (const piece of model.ask(image, question, { signal })) answer += piece;
    answers.push(answer);
  }
  return answers;
}

function numbers({ plain, questions, between, gates }: AttentionFigureInput) {
  const { rows, columns } = plain;
  return {
    grid: { rows, columns },
    gates,
    plain: Array.from(plain.values),
    questions: questions.map(({ question, answer, change, attention, best }) => ({
      question,
      answer: answer ?? null,
      ...(best && { outlined: best.patches }),
      change: Array.from(change.values),
      attention: Array.from(attention.values),
    })),
    ...(between && { between: Array.from(between.values) }),
  };
}

async function attend(
  imageName: string,
  questions: readonly string[],
  options: AttendOptions,
  signal: AbortSignal,
): Promise<void> {
  using status = new Status(options);
  const total = new Timer();
  const image = await imageArgument(imageName, signal);
  await using model = await openModel(options, status, signal);
  const loadMs = total.ms;
  const { drawQuestions, measureQuestions } = await import('../question-map.js');

  status.show('looking');
  const answers = options.answers ? await answersTo(model, image, questions, signal) : [];
  const request = { image, questions, answers, name: nameOf(options), outlined: options.visualTokens };
  const measured = await measureQuestions(model, request, signal);
  const out = options.out ?? defaultOut(imageName);
  await writeWhole(out, await drawQuestions(measured));
  status.clear();

  if (options.json) {
    const timings = { loadMs, totalMs: total.ms };
    return printJson({ image: imageName, out, ...numbers(measured), timings }, signal);
  }
  // Not in the table: its first column would be as wide as the longest question.
  const asked = measured.questions.map(({ question, answer }) => `${question}${answer ? ` → ${answer.trim()}` : ''}\n`);
  const gates = measured.gates.map(
    ({ layer, value }) => [`layer ${layer}`, `tanh(beta) = ${value.toFixed(3)}`] as const,
  );
  return print(`${asked.join('')}\n${table([...gates, ['written to', out]])}`, signal);
}

export function addAttend(program: Command, signal: AbortSignal): Command {
  const command = program
    .command('attend')
    .summary('draw where a question pulls attention')
    .description(
      'Draws what a question changes in the vision encoder, against the plain ViT and against a second question.',
    )
    .argument('<image>', 'picture: a file, or - for standard input')
    .argument('<question>', 'the question, in words', questionText)
    .argument('[question2]', 'a second one to compare with', questionText)
    .option(
      '-o, --out <file>',
      'where to write the PNG (default: <image>.attention.png in the current folder)',
      pngFile,
    )
    .option('--no-answers', "leave the language model's answers out");
  return addModelOptions(command)
    .addHelpText('after', paragraph(ABOUT))
    .addHelpText('after', EXAMPLES)
    .action((image: string, question: string, second: string | undefined, options: AttendOptions) =>
      attend(image, second === undefined ? [question] : [question, second], options, signal),
    );
}
