import { expected } from '../errors';
import { checkLoad } from './checks';
import type { LanguageModel, LoadLanguageModelOptions } from './language-model';
import { OnnxLanguageModel } from './onnx/onnx-language-model';
import { isT5Folder } from './t5/t5-folder';
import { T5LanguageModel } from './t5/t5-language-model';

/**
 * Opens a language model's folder, of one of two kinds:
 *
 * - a T5 or mT5 as Hugging Face publishes it: `config.json`, `tokenizer.json`, and its weights in safetensors or `pytorch_model.bin`.
 *   qavit computes it itself, on the CPU or a GPU;
 * - ONNX files in the form that Hugging Face's exporters write, of any language model: `config.json`, `tokenizer.json`,
 *   `embed_tokens.onnx`, `encoder_model.onnx` for encoder-decoders, and either `decoder_model_merged.onnx` or `decoder_model.onnx`
 *   with `decoder_with_past_model.onnx`. A folder with ONNX files is this, a T5's too. They may lie in its `onnx`, and come in
 *   several precisions (`decoder_model_merged_q4.onnx`).
 *
 * A vision-language model's folder (`model_type` llava, llava_next, llava_onevision, smolvlm, idefics3, internvl, paligemma, gemma3 or qwen2_vl) is asked in its chat template.
 *
 * Either may have a `generation_config.json`.
 *
 * @throws QAViTError ERR_ARGUMENT (no such folder), ERR_FORMAT (a file is missing, damaged, or has other inputs than expected),
 *   ERR_UNSUPPORTED (a model that needs more than visual tokens and text; onnxruntime-node is not installed), ERR_OUT_OF_MEMORY
 */
export async function loadLanguageModel(dir: string, options: LoadLanguageModelOptions = {}): Promise<LanguageModel> {
  checkLoad(dir, options);
  if (!(await isT5Folder(dir))) return OnnxLanguageModel.load(dir, options);
  const { onnxDType = 'auto' } = options;
  if (onnxDType !== 'auto') throw expected('ERR_ARGUMENT', 'a folder with ONNX files', `onnxDType ${onnxDType}`, dir);
  return T5LanguageModel.load(dir, options);
}
