import type { QAViT } from '../../qavit';

/** What the Batcher needs of a model; every QAViT has it. */
export interface BatchModel {
  readonly info: QAViT['info'];
  readonly stages: Pick<QAViT['stages'], 'prepare' | 'look' | 'listen' | 'answer'>;
  encodeBatch: QAViT['encodeBatch'];
  attend: QAViT['attend'];
}
