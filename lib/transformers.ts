/** transformers.js: its vision-language models answer from visual tokens. Users bring their own copy of the package. */
export type { VisualTokens } from './llm/language-model';
export {
  type TransformersModel,
  type TransformersTensor,
  type VisualInputOptions,
  visualInputs,
  type VisualInputs,
} from './llm/transformers-js/visual-inputs';
