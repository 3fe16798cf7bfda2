import type { RequestLimits } from '../options';
import { chatAnswer } from './chat-answers';
import { failures } from './errors';
import { imageUrl, model, visualTokens } from './fields';

const nothingElse = { additionalProperties: false };

/** What is for the client's own books, or its provider's. */
const note = {
  type: 'string',
  nullable: true,
  maxLength: 256,
  description: 'Taken, and not used: it asks for nothing.',
};

const nothingIn = (type: 'object' | 'array') => ({
  type,
  nullable: true,
  ...(type === 'object' ? { maxProperties: 0 } : { maxItems: 0 }),
});

const textPart = {
  type: 'object',
  required: ['type', 'text'],
  ...nothingElse,
  properties: { type: { const: 'text' }, text: { type: 'string' } },
};

const imagePart = (limits: Required<RequestLimits>) => ({
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
        url: imageUrl(limits),
        detail: {
          enum: ['auto', 'low', 'high', null],
          description: 'Taken, and not used: a tower sees every picture in its own size.',
        },
      },
    },
  },
});

const messages = (limits: Required<RequestLimits>) => ({
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
        type: ['string', 'array'],
        minItems: 1,
        maxItems: 64,
        // By its type a part is held to one of the two, and told what is wrong by that one alone.
        items: { type: 'object', discriminator: { propertyName: 'type' }, oneOf: [textPart, imagePart(limits)] },
      },
      name: note,
    },
  },
});

/** Fields of OpenAI's that mean something here only when they ask for nothing; other values are refused. */
const neutral = {
  n: { enum: [1, null] },
  presence_penalty: { enum: [0, null] },
  frequency_penalty: { enum: [0, null] },
  logit_bias: nothingIn('object'),
  logprobs: { enum: [false, null] },
  top_logprobs: { enum: [0, null] },
  store: { enum: [false, null] },
  metadata: nothingIn('object'),
  response_format: {
    type: 'object',
    nullable: true,
    required: ['type'],
    ...nothingElse,
    properties: { type: { const: 'text' } },
  },
  modalities: { type: 'array', nullable: true, items: { const: 'text' }, minItems: 1, maxItems: 1 },
  tools: nothingIn('array'),
  tool_choice: { enum: ['none', 'auto', null] },
  parallel_tool_calls: { type: 'boolean', nullable: true, description: 'Without tools it asks for nothing.' },
  functions: nothingIn('array'),
  function_call: { enum: ['none', 'auto', null] },
  reasoning_effort: { enum: ['none', null] },
  verbosity: { enum: ['medium', null] },
  service_tier: { enum: ['auto', 'default', null] },
  audio: { type: 'null' },
  moderation: { type: 'null' },
  prediction: { type: 'null' },
  web_search_options: { type: 'null' },
  user: note,
  safety_identifier: note,
  prompt_cache_key: note,
  prompt_cache_retention: note,
};

const stop = {
  type: ['string', 'array', 'null'],
  minLength: 1,
  maxLength: 256,
  maxItems: 4,
  items: { type: 'string', minLength: 1, maxLength: 256 },
  description: 'The answer ends before the first of these that appears in it, and nothing is computed after it.',
};

const maxTokens = ({ newTokens }: Required<RequestLimits>) => ({
  type: 'integer',
  minimum: 1,
  maximum: newTokens,
  nullable: true,
  description: `An answer has at most so many tokens, ${newTokens} unless told.`,
});

const bodySchema = (limits: Required<RequestLimits>) => ({
  type: 'object',
  required: ['model', 'messages'],
  ...nothingElse,
  properties: {
    model,
    messages: messages(limits),
    stream: { type: 'boolean', nullable: true },
    stream_options: {
      type: 'object',
      nullable: true,
      ...nothingElse,
      properties: {
        include_usage: { type: 'boolean', nullable: true },
        include_obfuscation: { enum: [false, null] },
      },
    },
    max_tokens: maxTokens(limits),
    max_completion_tokens: maxTokens(limits),
    temperature: {
      type: 'number',
      minimum: 0,
      maximum: 2,
      nullable: true,
      description: '0, the default here, takes the likeliest token.',
    },
    top_k: {
      type: 'integer',
      minimum: -1,
      maximum: 2 ** 31 - 1,
      nullable: true,
      description: "Draws from so many of the likeliest tokens, as vLLM's; -1 and 0, the default, are all.",
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

export const chatSchema = (limits: Required<RequestLimits>) => ({
  operationId: 'createChatCompletion',
  summary: 'Answer a question about a picture',
  tags: ['answers'],
  body: bodySchema(limits),
  response: { 200: chatAnswer, ...failures },
});
