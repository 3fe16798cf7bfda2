import { CliError, reportError } from './errors';

/** How long work may take to stop after Ctrl-C before the process ends without it. */
const PATIENCE_MS = 3000;

export interface Interruption {
  /** Aborted by Ctrl-C, by SIGTERM, or when nobody reads standard output any more. */
  readonly signal: AbortSignal;
  /** What the process ends with if it was interrupted: 128 + the signal's number, or 0 where the reader has left (`qavit ... | head`). */
  readonly exitCode: number | undefined;
  /** For a command that is meant to be ended this way, as a server is: the process may take so long to stop, and its exit code is 0. */
  isNormal(patienceMs: number): void;
  stop(): void;
}

/** Turns the ways a user ends a command early into one AbortSignal. A second Ctrl-C ends the process at once. */
export function watchInterruption(): Interruption {
  const controller = new AbortController();
  let exitCode: number | undefined;
  let patience = PATIENCE_MS;
  let normal = false;

  const interrupt = (code: number): void => {
    if (exitCode !== undefined) process.exit(code);
    exitCode = normal ? 0 : code;
    controller.abort();
    setTimeout(() => process.exit(code), patience).unref();
  };
  const onSigint = (): void => interrupt(130);
  const onSigterm = (): void => interrupt(143);
  const onOutputError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') {
      const message = `Expected standard output to take the result but received "${error.message}"`;
      process.exit(reportError(new CliError(message, 'check the disk or the program that it goes to.')));
    }
    // Every later write fails the same way; only the first one counts.
    if (exitCode === undefined) interrupt(0);
  };

  process.on('SIGINT', onSigint);
  process.on('SIGTERM', onSigterm);
  process.stdout.on('error', onOutputError);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    isNormal(patienceMs) {
      patience = patienceMs;
      normal = true;
    },
    stop() {
      process.off('SIGINT', onSigint);
      process.off('SIGTERM', onSigterm);
      // The listener on stdout stays: text may still be on its way.
    },
  };
}
