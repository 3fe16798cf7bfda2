import { Command, Help, InvalidArgumentError, Option } from 'commander';
import { isOrigin } from '../../serve/security/origins';
import { addModelOptions, type ModelOptions, numberIn } from '../options';

/** What `qavit serve` was told, from wherever. */
export interface ServeOptions extends ModelOptions {
  host: string;
  port: number;
  name?: string;
  devices?: string[];
  config?: string;
  apiKeyFile?: string;
  rateLimit: number;
  cors?: string[];
  remoteImages: 'yes' | 'no';
  trustProxy: 'yes' | 'no';
  page: 'yes' | 'no';
  maxBatch: number;
  batchDelay: number;
  maxPending: number;
  maxAnswers?: number;
  imageCache: number;
  questionCache: number;
  maxBody: number;
  maxImage: number;
  maxPixels: number;
  maxQuestion: number;
  maxNewTokens: number;
  drain: number;
  logLevel: string;
}

const whole = (low: number, high: number) => numberIn(low, high, { whole: true });

/** `a, b` as ['a', 'b']. */
function list(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.every((part) => part !== '')) return parts;
  throw new InvalidArgumentError('Expected values separated by commas.');
}

/** Node.js takes no address for all of them. */
function address(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('Expected an address.');
}

function origins(text: string): string[] {
  const named = list(text);
  if (named.every(isOrigin)) return named;
  throw new InvalidArgumentError('Expected origins such as https://example.org, separated by commas.');
}

function devices(text: string): string[] {
  const names = list(text);
  if (names.every((name) => /^(cpu|cuda(:\d{1,3})?)$/.test(name))) return names;
  throw new InvalidArgumentError('Expected cpu, cuda or cuda:N, separated by commas.');
}

/** A switch that the environment and the file can turn off too, not only on. */
function yesOrNo(flag: string, description: string, normally: 'yes' | 'no'): Option {
  return new Option(`--${flag} [yes|no]`, description).choices(['yes', 'no']).preset('yes').default(normally);
}

const OPTIONS: readonly (readonly [heading: string, options: () => Option[]])[] = [
  [
    'Address:',
    () => [
      new Option('--host <address>', 'where to listen; 0.0.0.0 for all addresses')
        .argParser(address)
        .default('127.0.0.1'),
      new Option('--port <n>', '0 takes a free one').argParser(whole(0, 65535)).default(8000),
      new Option('--name <id>', "the model's name for clients (default: the folder's)"),
      new Option('--devices <list>', 'a copy of the model on each: cuda:0,cuda:1').argParser(devices),
      new Option('--config <file>', 'JSON file with these options, and with several models'),
    ],
  ],
  [
    'Who may ask what:',
    () => [
      new Option('--api-key-file <file>', 'keys that let clients in, one a line; also QAVIT_API_KEYS=key,key'),
      new Option('--rate-limit <n>', 'requests a minute of each client; 0: no limit')
        .argParser(whole(0, 1e9))
        .default(0),
      new Option('--cors <origins>', 'origins whose pages may call, separated by commas').argParser(origins),
      yesOrNo('remote-images', 'fetch pictures named by https: URLs', 'no'),
      yesOrNo('trust-proxy', 'believe X-Forwarded-For; only behind a proxy that sets it', 'no'),
      yesOrNo('page', 'serve the page at /', 'yes'),
    ],
  ],
  [
    'Limits of one request:',
    () => [
      new Option('--max-body <MiB>', 'its body').argParser(numberIn(0.001, 1e5)).default(16),
      new Option('--max-image <MiB>', 'a picture, encoded').argParser(numberIn(0.001, 1e5)).default(10),
      new Option('--max-pixels <n>', 'a picture, decoded').argParser(whole(1, 2 ** 40)).default(32 * 2 ** 20),
      new Option('--max-question <n>', 'characters of a question').argParser(whole(1, 2 ** 31)).default(2000),
      new Option('--max-new-tokens <n>', 'of an answer; requests may ask for less')
        .argParser(whole(1, 2 ** 20))
        .default(512),
    ],
  ],
  [
    'Batching:',
    () => [
      new Option('--max-batch <n>', 'pairs computed together').argParser(whole(1, 4096)).default(32),
      new Option('--batch-delay <ms>', 'how long a pair may wait for others').argParser(numberIn(0, 60_000)).default(0),
      new Option('--max-pending <n>', 'requests at once; one more gets 429').argParser(whole(1, 2 ** 31)).default(256),
      new Option('--max-answers <n>', "answers written at a time (default: the language model's own)").argParser(
        whole(1, 4096),
      ),
      new Option('--image-cache <MiB>', 'looked-at pictures, on the device').argParser(numberIn(0, 1e8)).default(256),
      new Option('--question-cache <MiB>', 'features of questions').argParser(numberIn(0, 1e8)).default(32),
    ],
  ],
  [
    'Operation:',
    () => [
      new Option('--drain <seconds>', 'for running requests after SIGTERM')
        .argParser(numberIn(0.001, 86_400))
        .default(30),
      new Option('--log-level <level>', 'JSON lines on standard error')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    ],
  ],
];

/** `--max-body` is QAVIT_MAX_BODY. */
function variableOf(option: Option): string {
  return `QAVIT_${option.name().replaceAll('-', '_').toUpperCase()}`;
}

export function addServeOptions(command: Command): Command {
  const ofModel = addModelOptions(new Command()).options;
  const groups = [['Model:', () => ofModel] as const, ...OPTIONS];
  for (const [heading, options] of groups) {
    for (const option of options()) {
      // A variable that is set turns a flag without a value on, whatever it says; those are for one call anyway.
      if (option.required || option.optional) option.env(variableOf(option));
      command.addOption(option.helpGroup(heading));
    }
  }
  // The rule is said once, below the options.
  const optionDescription = (option: Option): string =>
    Help.prototype.optionDescription
      .call(new Help(), option)
      .replace(/, (preset: "yes"|env: \w+)/g, '')
      .replace(/ \(env: \w+\)/, '');
  return command.configureHelp({ optionDescription });
}
