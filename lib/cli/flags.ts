/** `languageText` as it is typed: `language-text`. */
export function dashed(option: string): string {
  return option.replace(/[A-Z]+/g, (letters) => `-${letters.toLowerCase()}`);
}

/** Options of the library that commands have under the same names. */
const SHARED =
  /option (before|device|dtype|hiddenLayer|imageSize|maxPatches|languageDType|languageDevice|output|padding|system|threads|tiles|visualTokens)( of [\w.]+)?/g;

/** A message of the library in the words of the command line. */
export function inFlags(message: string): string {
  return message.replace(SHARED, (_, option: string) => `--${dashed(option)}`).replace(/ \(limits\.\w+\)/, '');
}
