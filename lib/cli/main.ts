#!/usr/bin/env node
import { runCli } from './run';

// Not process.exit: what is still on its way into a pipe would be lost.
void runCli(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
