// The same with nothing but Node: `ask` is a plain (request, response) handler, as Express takes it too: express().post('/ask', ask).
//
//   node examples/http.mjs 3000
//   curl --data-binary @models/demo/samples/shapes.png 'http://127.0.0.1:3000/ask?question=what+digit+is+on+the+red+square'
import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { QAViT } from 'qavit';

const MAX_BYTES = 8 * 2 ** 20;
const STATUS = { ERR_ARGUMENT: 400, ERR_FORMAT: 400, ERR_UNSUPPORTED: 415, ERR_BUSY: 429 };
const model = await QAViT.load('demo', { maxPending: 32 });

async function ask(request, response) {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const question = new URL(request.url, 'http://localhost').searchParams.get('question') ?? '';
    // Nothing is read that could be too much.
    const length = request.headers['content-length'];
    if (length === undefined) return response.writeHead(411).end('Content-Length is missing\n');
    if (Number(length) > MAX_BYTES) return response.writeHead(413).end('too large\n');
    const image = await buffer(request);
    for await (const text of model.ask(image, question, { signal: gone.signal })) response.write(text);
    return response.end('\n');
  } catch (error) {
    // Half an answer was sent: what ends it otherwise than by an end cannot be taken for the whole.
    if (response.headersSent) return response.destroy();
    response.writeHead(STATUS[error.code] ?? 500);
    return response.end(`${error.message}\n`);
  }
}

const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url.startsWith('/ask?')) void ask(request, response);
  else response.writeHead(404).end('POST /ask?question=... with a picture as body\n');
});
server.listen(Number(process.argv[2] ?? 3000), '127.0.0.1');
await once(server, 'listening');
console.log(`listening on http://127.0.0.1:${server.address().port}`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => server.close(() => void model.close()));
}
