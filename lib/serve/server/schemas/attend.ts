import type { RequestLimits } from '../options';
import { failures } from './errors';
import { imageUrl, model } from './fields';
import { toldSchema } from './told';

const size = { type: 'integer', minimum: 1 };
const values = { type: 'array', items: { type: 'number' } };

export const attendSchema = (limits: Required<RequestLimits>) => ({
  operationId: 'createAttentionMaps',
  summary: 'See where a question draws attention',
  tags: ['vision'],
  body: {
    type: 'object',
    required: ['model', 'image', 'question'],
    additionalProperties: false,
    properties: {
      model,
      image: imageUrl(limits),
      question: { type: 'string' },
    },
  },
  response: {
    200: {
      description: 'One map a fused layer, and how far the question moves each patch.',
      type: 'object',
      required: ['object', 'question_tokens', 'grid', 'layers', 'difference', 'qavit'],
      additionalProperties: false,
      properties: {
        object: { const: 'attention_maps' },
        question_tokens: { ...size, description: 'K: tokens of the question that act as keys.' },
        grid: {
          type: 'object',
          required: ['rows', 'columns'],
          additionalProperties: false,
          properties: { rows: size, columns: size },
        },
        layers: {
          type: 'array',
          items: {
            type: 'object',
            required: ['layer', 'gate', 'map'],
            additionalProperties: false,
            properties: {
              layer: { type: 'integer', minimum: 0 },
              gate: { type: 'number', description: 'tanh(beta)' },
              map: {
                ...values,
                description:
                  'Row by row, rows * columns numbers from 0 to 1: the share of each patch’s attention in this layer that goes to the question, ' +
                  'summed over the question’s tokens, mean over the heads. The library’s own heat map is the mean of these over the layers.',
              },
            },
          },
        },
        difference: {
          ...values,
          description:
            'Row by row, rows * columns numbers: ||with the question - plain|| / ||plain|| of each patch’s feature (L2), as the last layer gives it.',
        },
        ratings: {
          ...values,
          description:
            'How highly each visual token is rated for the question, where the model selects: one number a token that can be handed over, in ' +
            'their order, the patches last. visual_tokens takes the highest.',
        },
        qavit: toldSchema,
      },
    },
    ...failures,
  },
});
