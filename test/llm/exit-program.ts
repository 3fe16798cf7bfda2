/** What a process, or a worker thread, may do with a language model and then leave it: run by lifetime.test.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { someTokens } from './support';

type Ending = 'idle' | 'abandon' | 'exit' | 'kill' | 'busy';

async function main(ending: Ending, dir: string): Promise<void> {
  const model = await loadLanguageModel(dir);
  if (ending === 'idle') return;
  const maxNewTokens = ending === 'abandon' ? 50 : 1_000_000;
  const pieces = model.generate(someTokens(), 'what shape?', { maxNewTokens })[Symbol.asyncIterator]();
  await pieces.next();
  if (ending === 'exit') process.exit(7);
  if (ending === 'kill') process.kill(process.pid, 'SIGKILL');
  if (ending === 'abandon') return;
  parentPort?.postMessage('busy');
  while (!(await pieces.next()).done);
}

const [ending, dir] = parentPort ? (workerData as [Ending, string]) : (process.argv.slice(2) as [Ending, string]);
void main(ending, dir);
