import type { AddHelpTextContext } from 'commander';

/** A paragraph for the end of a help, broken to the width that its options are broken to. */
export function paragraph(text: string): (context: AddHelpTextContext) => string {
  return ({ error, command }) => {
    const output = command.configureOutput();
    const width = (error ? output.getErrHelpWidth?.() : output.getOutHelpWidth?.()) ?? 80;
    return `\n${command.createHelp().boxWrap(text, width)}`;
  };
}
