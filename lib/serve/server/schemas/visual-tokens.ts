import type { RequestLimits } from '../options';
import { failures } from './errors';
import { imageUrl, model, visualTokens } from './fields';
import { toldSchema } from './told';

const rowsAndColumns = {
  type: 'object',
  required: ['rows', 'columns'],
  additionalProperties: false,
  properties: { rows: { type: 'integer', minimum: 1 }, columns: { type: 'integer', minimum: 1 } },
};

export const visualTokensSchema = (limits: Required<RequestLimits>) => ({
  operationId: 'createVisualTokens',
  summary: 'Encode a picture under a question into visual tokens',
  tags: ['vision'],
  body: {
    type: 'object',
    required: ['model', 'image', 'question'],
    additionalProperties: false,
    properties: {
      model,
      image: imageUrl(limits),
      question: { type: 'string', nullable: true, description: 'Null: the plain tower.' },
      output: {
        enum: ['projected', 'tower'],
        description:
          'projected: [N, E], as a language model takes them, the default where there is a projector; tower: [N, C].',
      },
      visual_tokens: visualTokens,
      format: {
        enum: ['json', 'safetensors', 'npy'],
        description:
          'How they are sent; default json. The others are binary bodies; X-QAViT-Shape, X-QAViT-Key and, where pictures have shapes of their own or are in tiles, X-QAViT-Grid and X-QAViT-Tiles (rows x columns) describe them.',
      },
    },
  },
  response: {
    200: {
      description: 'The tokens.',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['object', 'shape', 'dtype', 'data', 'key', 'qavit'],
            additionalProperties: false,
            properties: {
              object: { const: 'visual_tokens' },
              shape: { type: 'array', items: { type: 'integer', minimum: 1 }, minItems: 2, maxItems: 2 },
              kept: {
                type: 'array',
                items: { type: 'integer', minimum: 0 },
                description: 'Which of the tokens that could be handed over these are, where the model selects.',
              },
              grid: {
                ...rowsAndColumns,
                description:
                  "Of the picture's patches, where each picture has a shape of its own; of several the projector may make one token.",
              },
              tiles: {
                ...rowsAndColumns,
                description:
                  "Of a picture that was cut: equally many tokens for each tile, row by row, and then for the whole. Projected ones of a LLaVA-NeXT or LLaVA-OneVision are the whole's and then, without borders, those of the tiles in the lines of the picture.",
              },
              dtype: { const: 'float32' },
              data: { type: 'string', description: 'base64 of little-endian numbers, row by row.' },
              key: { type: 'string', description: 'The same for the same pixels, question, weights and settings.' },
              qavit: toldSchema,
            },
          },
        },
        'application/octet-stream': { schema: { description: 'A file of the format that was asked for.' } },
      },
    },
    ...failures,
  },
});
