import { CommanderError } from 'commander';
import { EXIT, reportError } from './errors';
import { watchInterruption } from './interruption';
import { createProgram } from './program';

/** Runs the command line (without node and script) and returns the exit code. Never throws. */
export async function runCli(args: readonly string[]): Promise<number> {
  const interruption = watchInterruption();
  try {
    await createProgram(interruption).parseAsync(args, { from: 'user' });
    return interruption.exitCode ?? EXIT.ok;
  } catch (error) {
    if (interruption.exitCode !== undefined) {
      // The shell's prompt shall not stand behind half an answer.
      if (process.stdout.isTTY) process.stderr.write('\n');
      return interruption.exitCode;
    }
    // Commander has written its message already; --help and --version arrive here too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return reportError(error);
  } finally {
    interruption.stop();
  }
}
