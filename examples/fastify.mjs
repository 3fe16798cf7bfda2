// A question about a picture, answered by a Fastify server of your own: the words come as they are written, and a client that hangs up
// stops the work. (`qavit serve` is a whole server, with batching, limits and metrics; this is for a route in yours.)
//
//   node examples/fastify.mjs 3000
//   curl --data-binary @models/demo/samples/shapes.png -H 'content-type: image/png' \
//        'http://127.0.0.1:3000/ask?question=what+digit+is+on+the+red+square'
import { Readable } from 'node:stream';
import Fastify from 'fastify';
import { QAViT } from 'qavit';

const STATUS = { ERR_ARGUMENT: 400, ERR_FORMAT: 400, ERR_UNSUPPORTED: 415, ERR_BUSY: 429 };
const querystring = {
  type: 'object',
  required: ['question'],
  properties: { question: { type: 'string', maxLength: 500 } },
};

const model = await QAViT.load('demo', { maxPending: 32 });
const app = Fastify({ bodyLimit: 8 * 2 ** 20 });
app.addHook('onClose', () => model.close());
app.addContentTypeParser(/^image\//, { parseAs: 'buffer' }, (request, body, done) => done(null, body));
app.setErrorHandler((error, request, reply) => {
  const status = STATUS[error.code] ?? error.statusCode ?? 500;
  return reply.code(status).type('text/plain; charset=utf-8').send(`${error.message}\n`);
});
app.post('/ask', { schema: { querystring } }, (request, reply) => {
  const answer = Readable.from(model.ask(request.body, request.query.question));
  return reply.type('text/plain; charset=utf-8').send(answer);
});

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close());
console.log(`listening on ${await app.listen({ port: Number(process.argv[2] ?? 3000) })}`);
