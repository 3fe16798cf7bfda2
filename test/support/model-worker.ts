/** A worker thread that loads the model in `workerData` and encodes until it is stopped; says once it has begun. */
import { parentPort, workerData } from 'node:worker_threads';
import { type ModelFolders, QAViT } from '../../lib';
import { features, noise } from './pictures';

async function main(folders: ModelFolders): Promise<never> {
  const model = await QAViT.load(folders, { device: 'cpu', threads: 1 });
  const [image, question] = [noise(32), features(5, 24)];
  await model.encode(image, question);
  parentPort?.postMessage('running');
  for (;;) await Promise.all([model.encode(image, question), model.look(image), model.attend(image, question)]);
}

void main(workerData as ModelFolders);
