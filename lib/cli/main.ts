#!/usr/bin/env node
import { runCli } from './run';

// Nothing is left to wait for, and yet it is not done: no success, whatever the reason.
const unfinished = (): void => {
  process.exitCode = 1;
};
process.once('beforeExit', unfinished);
// Not process.exit: what is still on its way into a pipe would be lost.
void runCli(process.argv.slice(2)).then((exitCode) => {
  process.off('beforeExit', unfinished);
  process.exitCode = exitCode;
});
