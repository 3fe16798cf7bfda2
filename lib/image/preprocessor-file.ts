import { existsSync } from 'node:fs';
import path from 'node:path';
import { expected, expectedButFound } from '../errors';
import { isJsonObject, readJsonObject, readJsonObjectIfThere } from '../json-file';
import { parsePreprocessorConfig, type PreprocessorConfig } from './preprocessor-config';

export interface PreprocessorFile {
  readonly config: PreprocessorConfig;
  /** Where it was found. */
  readonly file: string;
}

/**
 * How a folder wants its pictures: the image half of processor_config.json, where newer exports put it, else preprocessor_config.json.
 * Where a folder has both that is transformers' order.
 *
 * @param modelType as in its config.json
 * @throws QAViTError ERR_FORMAT, ERR_UNSUPPORTED
 */
export async function readPreprocessorConfig(directory: string, modelType: unknown): Promise<PreprocessorFile> {
  const own = path.join(directory, 'preprocessor_config.json');
  const joint = path.join(directory, 'processor_config.json');
  const { image_processor: image } = (await readJsonObjectIfThere(joint)) ?? {};
  if (isJsonObject(image)) return { config: parsePreprocessorConfig(image, joint, modelType), file: joint };
  if (image !== undefined && image !== null) {
    throw expected('ERR_FORMAT', 'an object', `image_processor of ${joint}`, image);
  }
  if (existsSync(joint) && !existsSync(own)) {
    throw expectedButFound('ERR_FORMAT', 'an object "image_processor"', joint, 'none');
  }
  return { config: parsePreprocessorConfig(await readJsonObject(own), own, modelType), file: own };
}
