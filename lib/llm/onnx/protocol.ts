import type { QAViTErrorCode } from '../../errors';
import type { GenerateSettings, QuestionText } from '../checks';
import type { AnswerEnd, LanguageModelInfo, QuestionEncoding, QuestionFeatures, VisualTokens } from '../language-model';
import type { OnnxDType } from './onnx-folder';

/** What the worker process is asked to do. */
export type Task =
  | { kind: 'load'; dir: string; threads: number | undefined; dtype: OnnxDType | 'auto' | undefined }
  | { kind: 'encode'; question: QuestionText; features: QuestionEncoding['features'] }
  | { kind: 'generate'; tokens: Pick<VisualTokens, 'data' | 'tiles' | 'grid'>; settings: GenerateSettings };

export type Request = { id: number; task: Task } | { id: number; task: { kind: 'cancel' } };

/** What a task gives: any number of pieces, then one result or failure. */
export type Reply =
  | { kind: 'piece'; text: string }
  | { kind: 'result'; result: Result }
  | { kind: 'failure'; code: QAViTErrorCode; message: string };

/** Null where nobody waits for it any more. */
export type Result = LanguageModelInfo | QuestionFeatures | AnswerEnd | null;

/** Messages are copied by the structured clone algorithm (`serialization: 'advanced'`), so typed arrays stay typed arrays. */
export interface Response {
  id: number;
  reply: Reply;
}
