import { QAViTError, type QAViTErrorCode } from '../errors';
import { ServerFailure } from '../llm/vllm/failures';
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

const HINTS: Partial<Record<QAViTErrorCode, string>> = {
  ERR_DEVICE: 'use --device cpu, or --device auto to take what this machine has.',
  ERR_OUT_OF_MEMORY: 'use --dtype bf16 (half the memory of f32) or a smaller model.',
  ERR_FORMAT: 'the file may be incomplete or of another kind than its name says; fetch or export it again.',
  ERR_DTYPE: 'leave --dtype at auto to take what this device computes in.',
  ERR_NETWORK: 'what was fetched is kept and continued from; check the connection, HF_ENDPOINT, or use --offline.',
  ERR_SHAPE: 'tower, adapter and language model must belong together; `qavit info` shows the sizes of each.',
};

function hintFor(error: unknown): string {
  if (error instanceof CliError) return error.hint;
  if (error instanceof ServerFailure) return 'docs/runtimes.md says which options vLLM needs; its own log says more.';
  const byCode = error instanceof QAViTError ? HINTS[error.code] : undefined;
  return byCode ?? 'set QAVIT_DEBUG=1 to see where this comes from.';
}

/** File names may hold anything, line breaks included. */
function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, ' ').trim();
}

/** Writes `qavit: <message>` and one line that says what to do to standard error; returns the exit code. */
export function reportError(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`qavit: ${oneLine(message)}\nhint: ${oneLine(hintFor(error))}\n`);
  if (process.env.QAVIT_DEBUG && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}
