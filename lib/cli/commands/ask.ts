import type { Command } from 'commander';
import { imageArgument } from '../files';
import { openModel } from '../open-model';
import {
  addDecodingOptions,
  addModelOptions,
  decodingOf,
  type DecodingOptions,
  type ModelOptions,
  questionText,
} from '../options';
import { print, printJson } from '../output';
import { Status } from '../status';
import { Timer } from '../timer';

const EXAMPLES = `
Examples:
  $ qavit ask street.jpg "What is written on the blue sign?"
  $ qavit ask - "How many cars?" < street.jpg
  $ qavit ask street.jpg "How many cars?" --json | jq .answer
  $ qavit ask street.jpg "What is this?" --model my-model --device cpu --dtype f32 --max-new-tokens 10
  $ qavit ask street.jpg "What is this?" --model llava-1.5-7b-hf --language-dtype q4 --system "Answer in one word."
  $ qavit ask street.jpg "What is written on the blue sign?" --no-question-aware --stop "."
  $ qavit ask street.jpg "How many cars?" --tower my-tower --adapter my-adapter --questions flan-t5-base \\
      --language http://host:8000/v1#llava-hf/llava-1.5-7b-hf`;

interface AskingOptions {
  system?: string;
  before?: string;
  /** --no-question-aware */
  questionAware: boolean;
}

type AskOptions = ModelOptions & DecodingOptions & AskingOptions;

async function ask(imageName: string, question: string, options: AskOptions, signal: AbortSignal): Promise<void> {
  using status = new Status(options);
  const total = new Timer();
  const image = await imageArgument(imageName, signal);
  await using model = await openModel(options, status, signal);
  const loadMs = total.ms;

  status.show('looking');
  const answering = new Timer();
  let answer = '';
  let firstPieceMs: number | undefined;
  const { system, before, questionAware } = options;
  const asked = { ...decodingOf(options), system, before, questionAware, signal };
  const pieces = model.ask(image, question, asked);
  let next = await pieces.next();
  for (; !next.done; next = await pieces.next()) {
    firstPieceMs ??= answering.ms;
    answer += next.value;
    status.clear();
    if (!options.json) await print(next.value, signal);
  }
  const answerMs = answering.ms;
  // A server may not say how it ended.
  const finish = next.value?.finish ?? null;
  if (options.json) {
    const { device, dtype } = model.info;
    const timings = { loadMs, firstPieceMs: firstPieceMs ?? answerMs, answerMs, totalMs: total.ms };
    await printJson({ image: imageName, question, answer, finish, device: device.kind, dtype, timings }, signal);
    return;
  }
  await print('\n', signal);
  if (finish === 'length') status.note(`cut at --max-new-tokens ${options.maxNewTokens}`);
  status.note(`answered in ${Math.round(answerMs)} ms after loading for ${Math.round(loadMs)} ms`);
}

export function addAsk(program: Command, signal: AbortSignal): Command {
  const command = program
    .command('ask')
    .summary('answer a question about a picture')
    .description('Answers a question about a picture. The answer is printed as it is written.')
    .argument('<image>', 'picture: a file, or - for standard input')
    .argument('<question>', 'the question, in words', questionText)
    .option('--system <text>', 'system message, for models with a chat template')
    .option('--before <text>', 'what is said before the picture, for models with a chat template')
    .option('--no-question-aware', 'keep the question from the tower; the language model reads it all the same');
  addDecodingOptions(addModelOptions(command));
  return command
    .addHelpText('after', EXAMPLES)
    .action((image: string, question: string, options: AskOptions) => ask(image, question, options, signal));
}
