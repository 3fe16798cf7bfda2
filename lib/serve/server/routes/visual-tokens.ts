import type { FastifyInstance, FastifyReply } from 'fastify';
import { HERE, jsonWithBase64 } from '../../../formats/base64-json';
import { npyFile } from '../../../formats/npy';
import { safetensorsFile } from '../../../formats/safetensors-file';
import type { Grid } from '../../../grid';
import type { EncodeReply } from '../../batcher';
import { beginFor, elapsed, type ServerContext } from '../context';
import { checkQuestion, readImage } from '../images';
import { visualTokensSchema } from '../schemas/visual-tokens';
import { findModel, requireQuestions, requireSelection } from '../served-model';
import { toldJson } from '../told';

interface VisualTokensBody {
  model: string;
  image: string;
  question: string | null;
  output?: 'projected' | 'tower';
  visual_tokens?: number | 'all';
  format?: 'json' | 'safetensors' | 'npy';
}

export function visualTokensRoute(app: FastifyInstance, context: ServerContext): void {
  const { models, options } = context;
  app.post<{ Body: VisualTokensBody }>(
    '/v1/visual-tokens',
    { schema: visualTokensSchema(options.limits) },
    async (request, reply) => {
      const { body, caller } = request;
      const { output, visual_tokens: visualTokens, format = 'json' } = body;
      request.fields = { image: 'image', question: 'question' };
      const model = findModel(models, body.model);
      requireSelection(model, visualTokens, 'visual_tokens');
      let question: string | null = null;
      if (body.question !== null) {
        requireQuestions(model);
        question = checkQuestion(body.question, options.limits.questionCharacters, 'question');
      }
      const { signal } = beginFor(request, reply, context);
      const image = await readImage(body.image, 'image', context, { caller, signal });
      const asked = { output, visualTokens, client: caller, signal };
      const encoded = await model.batcher.encode(image, question, asked);
      if (format !== 'json') return sendFile(reply, encoded, format);
      const { data, shape, key, kept, grid, tiles } = encoded.tokens;
      const base64 = bytesOf(data).toString('base64');
      const qavit = toldJson(encoded, elapsed(request));
      const which = { ...(kept && { kept: [...kept] }), ...(grid && { grid }), ...(tiles && { tiles }) };
      const json = { object: 'visual_tokens', shape, ...which, dtype: 'float32', data: HERE, key, qavit };
      return reply.type('application/json; charset=utf-8').send(jsonWithBase64(json, base64));
    },
  );
}

function sendFile(reply: FastifyReply, { tokens }: EncodeReply, format: 'safetensors' | 'npy'): FastifyReply {
  const { data, shape, key, kept, grid, tiles } = tokens;
  const laidOut = { ...(grid && { grid: inWords(grid) }), ...(tiles && { tiles: inWords(tiles) }) };
  const about = { key, ...(kept && { kept: kept.join() }), ...laidOut };
  const file = format === 'npy' ? npyFile(data, shape) : safetensorsFile({ tokens: { data, shape } }, about);
  for (const [name, value] of Object.entries(laidOut)) reply.header(`x-qavit-${name}`, value);
  return reply
    .header('x-qavit-shape', shape.join(','))
    .header('x-qavit-key', key)
    .type('application/octet-stream')
    .send(file);
}

/** Rows first. */
function inWords({ rows, columns }: Grid): string {
  return `${rows}x${columns}`;
}

/** Numbers as they lie in memory, which is little-endian wherever the addon runs. */
function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
