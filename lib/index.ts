export type { CpuIsa, DeviceMemory, MatrixDType } from './binding/native';
export type { DeviceName } from './binding/open-device';
export { QAViTError, type QAViTErrorCode } from './errors';
export type { Grid } from './grid';
export type { ImageInput, ImageLimits, RawImage, Tiles } from './image';
export type { ResizeRule, Size } from './image/geometry';
export type { LanguageModelInfo } from './llm/language-model';
export type { OnnxDType } from './llm/onnx/onnx-folder';
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
  OwnShapes,
  Picture,
  QuestionFeatures,
  QuestionInput,
  VisualTokens,
} from './qavit/types';
