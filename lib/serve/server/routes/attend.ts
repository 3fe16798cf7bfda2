import type { FastifyInstance } from 'fastify';
import { attentionToQuestion, changeByQuestion } from '../../../view/question-effect';
import { beginFor, elapsed, type ServerContext } from '../context';
import { checkQuestion, readImage } from '../images';
import { attendSchema } from '../schemas/attend';
import { findModel, requireQuestions } from '../served-model';
import { toldJson } from '../told';

interface AttendBody {
  model: string;
  image: string;
  question: string;
}

export function attendRoute(app: FastifyInstance, context: ServerContext): void {
  const { models, options } = context;
  app.post<{ Body: AttendBody }>('/v1/attend', { schema: attendSchema(options.limits) }, async (request, reply) => {
    const { body, caller } = request;
    request.fields = { image: 'image', question: 'question' };
    const model = findModel(models, body.model);
    requireQuestions(model);
    const question = checkQuestion(body.question, options.limits.questionCharacters, 'question');
    const { signal } = beginFor(request, reply, context);
    const image = await readImage(body.image, 'image', context, { caller, signal });
    const { maps, ...told } = await model.batcher.attend(image, question, { client: caller, signal });
    const { grid, layers, ratings } = maps;
    return {
      object: 'attention_maps',
      question_tokens: layers[0]?.attention.shape[1] ?? 0,
      grid,
      layers: layers.map((one) => ({
        layer: one.layer,
        gate: one.gate,
        map: Array.from(attentionToQuestion({ ...maps, layers: [one] }).values),
      })),
      difference: Array.from(changeByQuestion(maps).values),
      ...(ratings && { ratings: Array.from(ratings) }),
      qavit: toldJson(told, elapsed(request)),
    };
  });
}
