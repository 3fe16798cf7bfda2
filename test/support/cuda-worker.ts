/** A worker thread that encodes on the GPU for some rounds and posts what it found; what it does is there for other threads too. */
import { expect } from 'chai';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { type ModelFolders, QAViT } from '../../lib';
import { features, noise } from './pictures';
import { SMALL } from './random-model';

export interface CudaWorkerTask {
  folders: ModelFolders;
  rounds: number;
}

/** Visual tokens of some pictures under some questions; the same in every round. */
export async function encodeRounds(model: QAViT, rounds: number): Promise<Float32Array[]> {
  const items = [null, 5, 17].map((tokens, i) => ({
    image: noise(SMALL.image, i + 1),
    question: tokens === null ? null : features(tokens, SMALL.questionWidth, i),
  }));
  const encode = async (): Promise<Float32Array[]> => (await model.encodeBatch(items)).map(({ data }) => data);
  const first = await encode();
  for (let round = 2; round <= rounds; round += 1) expect(await encode(), `round ${round}`).to.deep.equal(first);
  return first;
}

async function main({ folders, rounds }: CudaWorkerTask): Promise<void> {
  await using model = await QAViT.load(folders, { device: 'cuda' });
  parentPort?.postMessage(await encodeRounds(model, rounds));
}

if (!isMainThread && parentPort) void main(workerData as CudaWorkerTask);
