import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerTold } from '../../batcher';
import { type ChatBody, decodingOf } from '../chat/body';
import { Completion } from '../chat/completion';
import { questionOf } from '../chat/question';
import { beginFor, elapsed, type ServerContext } from '../context';
import { errorReply } from '../errors';
import { whenOver } from '../hang-ups';
import { checkQuestion, readImage } from '../images';
import { chatSchema } from '../schemas/chat';
import { findModel, requireAnswers, requireSelection } from '../served-model';

type Pieces = AsyncGenerator<string, AnswerTold, void>;
type ChatRequest = FastifyRequest<{ Body: ChatBody }>;

export function chatRoute(app: FastifyInstance, context: ServerContext): void {
  const { limits } = context.options;
  app.post<{ Body: ChatBody }>('/v1/chat/completions', { schema: chatSchema(limits) }, async (request, reply) => {
    const { body } = request;
    const answer = await ask(request, reply, context);
    // Whoever leaves in the middle, or before anything was read, ends the work; after the end it does nothing.
    whenOver(request, reply, () => void answer.return(undefined as never).catch(() => undefined));
    const completion = new Completion(body.model, body.stream_options?.include_usage ?? false);
    if (!body.stream) return whole(answer, completion, request);
    // What fails before the first piece still has a status of its own.
    const first = await answer.next();
    const events = Readable.from(stream(first, answer, completion, request), { objectMode: false });
    return reply
      .header('cache-control', 'no-cache')
      .header('x-accel-buffering', 'no')
      .type('text/event-stream; charset=utf-8')
      .send(events);
  });
}

/** @throws RequestError, QAViTError for what cannot be honoured */
async function ask(request: ChatRequest, reply: FastifyReply, context: ServerContext): Promise<Pieces> {
  const { body, caller } = request;
  const { models, options } = context;
  const model = findModel(models, body.model);
  requireAnswers(model);
  const { url, urlParam, text, textParam, framing } = questionOf(body.messages, model.chats);
  request.fields = { image: urlParam, question: textParam };
  const { questionCharacters, newTokens } = options.limits;
  const question = checkQuestion(text, questionCharacters, textParam);
  for (const words of Object.values(framing) as string[]) checkQuestion(words, questionCharacters, 'messages');
  const decoding = decodingOf(body, newTokens);
  requireSelection(model, decoding.visualTokens, 'qavit.visual_tokens');
  const { signal } = beginFor(request, reply, context);
  const image = await readImage(url, urlParam, context, { caller, signal });
  return model.batcher.ask(image, question, { ...decoding, ...framing, client: caller, signal });
}

async function whole(answer: Pieces, completion: Completion, request: FastifyRequest) {
  let text = '';
  for (;;) {
    const { done, value } = await answer.next();
    if (done) return completion.whole(text, value, elapsed(request));
    text += value;
  }
}

/** Server-sent events. A failure half-way is an event too, and then there is no [DONE]. */
async function* stream(
  first: IteratorResult<string, AnswerTold>,
  answer: Pieces,
  completion: Completion,
  request: FastifyRequest,
): AsyncGenerator<string, void, void> {
  yield event(completion.first());
  try {
    for (let next = first; ; next = await answer.next()) {
      if (next.done) {
        const { value } = next;
        const chunks = completion.last(value, elapsed(request));
        yield chunks.map(event).join('');
        break;
      }
      yield event(completion.piece(next.value));
    }
    yield 'data: [DONE]\n\n';
  } catch (error) {
    if (!request.raw.socket.destroyed) request.log.warn({ err: error }, 'answer failed half-way');
    yield event(errorReply(error, request.fields).body);
  }
}

function event(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
