export { QAViTError, type QAViTErrorCode } from './errors';
export type { ImageInput, ImageLimits } from './image';
export type { VllmServer } from './llm/vllm/server';
export { QAViT } from './qavit';
export type { Stages } from './qavit/stages';
export type {
  AnswerEnd,
  AnswerOptions,
  AskOptions,
  AttentionMaps,
  BatchItem,
  CallOptions,
  DownloadProgress,
  EncodeOptions,
  LayerMap,
  LoadOptions,
  Looked,
  ModelFolders,
  ModelInfo,
  Picture,
  QuestionFeatures,
  QuestionInput,
  VisualTokens,
} from './qavit/types';
