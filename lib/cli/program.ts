import { Command } from 'commander';
import { addAsk } from './commands/ask';
import { addAttend } from './commands/attend';
import { addConvert } from './commands/convert';
import { addDemo } from './commands/demo';
import { addEncode } from './commands/encode';
import { addFetch } from './commands/fetch';
import { addHelp } from './commands/help';
import { addServe } from './commands/serve';
import { addInfo } from './commands/info';
import type { Interruption } from './interruption';
import { packageVersion } from '../package-root';

const AFTER_HELP = `
Examples:
  $ qavit ask street.jpg "What is written on the blue sign?"
  $ qavit attend street.jpg "Where is the cyclist?" "What colour is the bus?" --out map.png
  $ qavit encode street.jpg "How many cars?" --tower clip-vit-large-patch14-336 --adapter my-adapter --out tokens.npy

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (Ctrl-C), 143 terminated.
Errors are one line and a hint on standard error; QAVIT_DEBUG=1 adds where they come from.`;

/** `error: unknown option '--jsno'\n(Did you mean --json?)` as everything else that goes wrong is said. */
function rephrase(text: string): string {
  return text.replace(/^error: /, 'qavit: ').replace(/\n\(Did you mean /, ' (did you mean ');
}

/** For an option that is no slip of another, but a shorter name of it: `--max-tokens` for `--max-new-tokens`. */
function withNearest(text: string, { options }: Command): string {
  const [, given] = /unknown option '--([\w-]+)[^']*'\n$/.exec(text) ?? [];
  const words = given?.split('-');
  const meant = options.find(({ long }) => words?.every((word) => long?.slice(2).split('-').includes(word)));
  return meant ? text.replace(/\n$/, `\n(Did you mean ${meant.long}?)\n`) : text;
}

/**
 * The whole command line.
 *
 * @param interruption ends a running command early
 */
export function createProgram(interruption: Interruption): Command {
  const program = new Command('qavit')
    .description('Vision encoding that listens to the question: ask pictures, encode them, see where a question looks.')
    .version(packageVersion(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('hint: qavit --help lists the commands.')
    .configureOutput({ outputError: (text, write) => write(rephrase(text)) })
    .exitOverride()
    .addHelpText('after', AFTER_HELP);
  const { signal } = interruption;
  const commands = [addAsk, addEncode, addAttend].map((add) => add(program, signal));
  commands.push(addServe(program, interruption));
  commands.push(...[addInfo, addFetch, addConvert, addDemo].map((add) => add(program, signal)), addHelp(program));
  for (const command of commands) {
    command
      .showHelpAfterError(`hint: qavit ${command.name()} --help lists arguments, options and examples.`)
      .configureOutput({ outputError: (text, write) => write(rephrase(withNearest(text, command))) });
  }
  return program;
}
