import { readdir } from 'node:fs/promises';
import { storageOf } from '../weights';
import { checkLoad } from './checks';
import type { LoadLanguageModelOptions, QuestionReader } from './language-model';
import { loadLanguageModel } from './load-language-model';
import { OnnxFolder } from './onnx/onnx-folder';
import { isT5Folder } from './t5/t5-folder';
import { TextRows } from './text-rows';

/**
 * Opens a folder to read questions with, beside a language model that is computed elsewhere or has nothing to do with the adapter:
 *
 * - whatever loadLanguageModel() opens: a T5 as published, or ONNX files (those in `onnx` where there are no other weights);
 * - any other language model's Hugging Face folder, of which the embedding table is read row by row and nothing else.
 *
 * @throws QAViTError as loadLanguageModel(); ERR_FORMAT where a folder has no embedding table
 */
export async function loadQuestionReader(dir: string, options: LoadLanguageModelOptions = {}): Promise<QuestionReader> {
  checkLoad(dir, options);
  const names = await readdir(dir).catch((): string[] => []);
  const stored = storageOf((name) => names.includes(name)) !== undefined;
  const whole =
    names.some((name) => name.endsWith('.onnx')) ||
    (await isT5Folder(dir)) ||
    (!stored && (await OnnxFolder.open(dir)).has('embed_tokens'));
  return whole ? loadLanguageModel(dir, options) : TextRows.open(dir);
}
