import type { RequestLimits } from '../options';
import { failures } from './errors';
import { imageUrl, model, visualTokens } from './fields';
import { toldSchema } from './told';

const nothingElse = { additionalProperties: false };

const textPart = {
  type: 'object',
  required: ['type', 'text'],
  ...nothingElse,
  properties: { type: { const: 'text' }, text: { type: 'string' } },
};

const imagePart = {
  type: 'object',
  required: ['type', 'image_url'],
  ...nothingElse,
  properties: {
    type: { const: 'image_url' },
    image_url: {
      type: 'object',
      required: ['url'],
      ...nothingElse,
      properties: {
        url: imageUrl,
        detail: { const: 'auto' },
      },
    },
  },
};

const messages = {
  type: 'array',
  minItems: 1,
  maxItems: 64,
  description:
    'One picture and one text in all, from the user: what most models read. To vision-language models also a system message, and one text before the picture. Anything else is refused.',
  items: {
    type: 'object',
    required: ['role', 'content'],
    ...nothingElse,
    properties: {
      role: { type: 'string', enum: ['user', 'system', 'developer', 'assistant', 'tool', 'function'] },
      content: {
        anyOf: [
          { type: 'string' },
          { type: 'array', minItems: 1, maxItems: 64, items: { anyOf: [textPart, imagePart] } },
        ],
      },
    },
  },
};

/** Fields of OpenAI's that mean something here only when they ask for nothing; other values are refused. */
const neutral = {
  n: { enum: [1, null] },
  presence_penalty: { enum: [0, null] },
  frequency_penalty: { enum: [0, null] },
  logprobs: { enum: [false, null] },
  store: { enum: [false, null] },
  response_format: { type: 'object', required: ['type'], ...nothingElse, properties: { type: { const: 'text' } } },
  modalities: { type: 'array', items: { const: 'text' }, minItems: 1, maxItems: 1 },
  tools: { type: 'array', maxItems: 0 },
  tool_choice: { const: 'none' },
  service_tier: { enum: ['auto', 'default', null] },
  user: { type: 'string', maxLength: 256, description: 'Taken, and not used: it asks for nothing.' },
};

const stop = {
  anyOf: [
    { type: 'null' },
    { type: 'string', minLength: 1, maxLength: 256 },
    { type: 'array', maxItems: 4, items: { type: 'string', minLength: 1, maxLength: 256 } },
  ],
  description: 'The answer ends before the first of these that appears in it, and nothing is computed after it.',
};

const bodySchema = ({ newTokens }: Required<RequestLimits>) => ({
  type: 'object',
  required: ['model', 'messages'],
  ...nothingElse,
  properties: {
    model,
    messages,
    stream: { type: 'boolean', nullable: true },
    stream_options: {
      type: 'object',
      nullable: true,
      ...nothingElse,
      properties: { include_usage: { type: 'boolean' }, include_obfuscation: { const: false } },
    },
    max_tokens: { type: 'integer', minimum: 1, maximum: newTokens, nullable: true },
    max_completion_tokens: { type: 'integer', minimum: 1, maximum: newTokens, nullable: true },
    temperature: {
      type: 'number',
      minimum: 0,
      maximum: 2,
      nullable: true,
      description: '0, the default here, takes the likeliest token.',
    },
    top_p: { type: 'number', exclusiveMinimum: 0, maximum: 1, nullable: true },
    seed: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, nullable: true },
    stop,
    qavit: {
      type: 'object',
      ...nothingElse,
      properties: {
        question_aware: {
          type: 'boolean',
          description:
            'False: the plain tower encodes the picture; the language model reads the question all the same. Default true.',
        },
        visual_tokens: visualTokens,
      },
    },
    ...neutral,
  },
});

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

export const chatCompletionSchema = {
  description:
    'The answer; with stream: true server-sent events of chat.completion.chunk, the last of which carries qavit, then [DONE].',
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

export const chatSchema = (limits: Required<RequestLimits>) => ({
  summary: 'Answer a question about a picture',
  tags: ['answers'],
  body: bodySchema(limits),
  response: { 200: chatCompletionSchema, ...failures },
});
