const FILE = 'tokenizer.json';
/** What tokenizers are made of; some models, mT5 and T5 v1.1 among them, are published with nothing else. */
const SOURCES = ['spiece.model', 'tokenizer.model', 'vocab.json'];

/**
 * The file of a language model's tokenizer, in words: how to make it where there is only what it is made of.
 *
 * @param has whether the model has a file
 */
export function tokenizerFile(has: (name: string) => boolean): string {
  const source = has(FILE) ? undefined : SOURCES.find(has);
  if (source === undefined) return FILE;
  const how = 'AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)';
  return `${FILE} (Python's transformers makes it of ${source}: ${how})`;
}
