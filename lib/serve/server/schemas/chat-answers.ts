import { errorSchema } from './errors';
import { toldSchema } from './told';

const nothingElse = { additionalProperties: false };

const usage = {
  type: 'object',
  required: ['prompt_tokens', 'completion_tokens', 'total_tokens'],
  ...nothingElse,
  properties: {
    prompt_tokens: { type: 'integer', description: 'Rows that the language model read: visual tokens and text.' },
    completion_tokens: { type: 'integer' },
    total_tokens: { type: 'integer' },
  },
};

const chatCompletion = {
  type: 'object',
  required: ['id', 'object', 'created', 'model', 'choices', 'qavit'],
  ...nothingElse,
  properties: {
    id: { type: 'string' },
    object: { const: 'chat.completion' },
    created: { type: 'integer' },
    model: { type: 'string' },
    choices: {
      type: 'array',
      minItems: 1,
      maxItems: 1,
      items: {
        type: 'object',
        required: ['index', 'message', 'logprobs', 'finish_reason'],
        ...nothingElse,
        properties: {
          index: { const: 0 },
          message: {
            type: 'object',
            required: ['role', 'content', 'refusal'],
            ...nothingElse,
            properties: { role: { const: 'assistant' }, content: { type: 'string' }, refusal: { type: 'null' } },
          },
          logprobs: { type: 'null' },
          finish_reason: { enum: ['stop', 'length'] },
        },
      },
    },
    usage,
    qavit: toldSchema,
  },
};

const chunk = {
  type: 'object',
  required: ['id', 'object', 'created', 'model', 'choices'],
  ...nothingElse,
  properties: {
    id: { type: 'string' },
    object: { const: 'chat.completion.chunk' },
    created: { type: 'integer' },
    model: { type: 'string' },
    choices: {
      type: 'array',
      maxItems: 1,
      description: 'None in the chunk that says the usage.',
      items: {
        type: 'object',
        required: ['index', 'delta', 'logprobs', 'finish_reason'],
        ...nothingElse,
        properties: {
          index: { const: 0 },
          delta: {
            type: 'object',
            ...nothingElse,
            properties: { role: { const: 'assistant' }, content: { type: 'string' } },
          },
          logprobs: { type: 'null' },
          finish_reason: { enum: ['stop', 'length', null] },
        },
      },
    },
    usage: { ...usage, nullable: true, description: 'With stream_options.include_usage: null until the last chunk.' },
    qavit: { ...toldSchema, description: 'In the last chunk.' },
  },
};

/** Whole, or as it is written. */
export const chatAnswer = {
  description: 'The answer; with stream: true server-sent events.',
  content: {
    'application/json': { schema: chatCompletion },
    'text/event-stream': {
      schema: {
        description:
          'What follows `data: ` in an event. A stream that fails after its first piece ends with the error, and without [DONE].',
        anyOf: [chunk, errorSchema, { const: '[DONE]' }],
      },
    },
  },
};
