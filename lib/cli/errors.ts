import { QAViTError } from '../errors';
import { inFlags } from './flags';
import { hintFor } from './hints';
import { printable } from './output';

/** The command's exit codes; besides these 130 after Ctrl-C and 143 after SIGTERM. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** A failure that the command line itself found, with what to do about it. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    message: string,
    readonly hint: string,
    readonly exitCode: number = EXIT.failed,
  ) {
    super(message);
  }
}

/** File names may hold anything, line breaks included. */
function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, ' ').trim();
}

/** Writes `qavit: <message>` and one line that says what to do to standard error; returns the exit code. */
export function reportError(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  const said = error instanceof QAViTError ? inFlags(message) : message;
  process.stderr.write(
    `qavit: ${oneLine(said)}\nhint: ${oneLine(error instanceof CliError ? error.hint : hintFor(error))}\n`,
  );
  if (process.env.QAVIT_DEBUG && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}
