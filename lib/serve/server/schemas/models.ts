import { failures } from './errors';

const size = { type: 'integer', minimum: 1 };

export const modelSchema = {
  type: 'object',
  required: ['id', 'object', 'created', 'owned_by', 'qavit'],
  additionalProperties: false,
  properties: {
    id: { type: 'string' },
    object: { const: 'model' },
    created: { type: 'integer', description: 'When it was opened for serving, Unix seconds.' },
    owned_by: { const: 'qavit' },
    qavit: {
      type: 'object',
      required: [
        'image',
        'maxPatches',
        'patch',
        'grid',
        'visualTokens',
        'tiles',
        'allTokens',
        'selectsTokens',
        'layers',
        'fusedLayers',
        'gates',
        'dtype',
        'device',
        'replicas',
        'canAnswer',
        'readsQuestions',
        'limits',
      ],
      additionalProperties: false,
      properties: {
        image: {
          type: 'object',
          required: ['width', 'height'],
          additionalProperties: false,
          description: 'Pixels that the tower sees, after resizing and cropping.',
          properties: {
            width: size,
            height: size,
            resize: {
              type: ['object', 'null'],
              description:
                'How a picture is resized first: `exact`, to width x height; `shortest-edge`, so that the shorter edge has `shortest` pixels and the ' +
                'longer no more than `longest`; `cover`, to the smallest of its proportions that width x height has room in; `most-patches`, nearly keeping ' +
                'its proportions, to the largest that has at most `patches` squares of `patch` pixels a side; `nearest-patches`, to the nearest number of such ' +
                'squares, unless it has fewer pixels than `least` or more than `most`.',
              required: ['kind'],
              additionalProperties: false,
              properties: {
                kind: { enum: ['exact', 'shortest-edge', 'cover', 'most-patches', 'nearest-patches'] },
                width: size,
                height: size,
                shortest: size,
                longest: size,
                patch: size,
                patches: size,
                least: size,
                most: size,
              },
            },
            crop: {
              type: ['object', 'null'],
              description: 'What is then cut out of its middle.',
              required: ['width', 'height'],
              additionalProperties: false,
              properties: { width: size, height: size },
            },
          },
        },
        maxPatches: {
          type: ['integer', 'null'],
          description:
            'Patches that a picture consists of at most, where each has a shape of its own; image and grid are then those of a square one, numbers of tokens the most that one can have.',
        },
        patch: { ...size, description: 'Side of a patch, pixels.' },
        grid: {
          type: 'object',
          required: ['rows', 'columns'],
          additionalProperties: false,
          properties: { rows: size, columns: size },
        },
        visualTokens: { ...size, description: 'Visual tokens handed over unless a request says otherwise.' },
        tiles: {
          type: 'integer',
          minimum: 0,
          description:
            'Tiles that a picture is cut into at most. Each has as many visual tokens as the whole, but in a LLaVA-NeXT or LLaVA-OneVision, where borders have none.',
        },
        allTokens: { ...size, description: 'Visual tokens there are to hand over.' },
        selectsTokens: {
          type: 'boolean',
          description: 'Whether a request may ask for fewer of them (`visual_tokens`).',
        },
        layers: size,
        fusedLayers: { type: 'array', items: { type: 'integer', minimum: 0 } },
        gates: { type: 'array', items: { type: 'number' }, description: 'tanh(beta) of each fused layer.' },
        dtype: { type: 'string' },
        device: { type: 'string', description: 'cpu, cuda:0, ... of the first replica.' },
        replicas: size,
        canAnswer: { type: 'boolean', description: 'Whether it has a language model.' },
        readsQuestions: { type: 'boolean', description: 'Whether questions in words reach the tower.' },
        limits: {
          type: 'object',
          required: ['pixels', 'bytes'],
          additionalProperties: false,
          description: 'What a picture may be, before it is resized.',
          properties: {
            pixels: { ...size, description: 'Width x height.' },
            bytes: { ...size, description: 'Of the file, before base64.' },
          },
        },
      },
    },
  },
};

export const modelsSchema = {
  operationId: 'listModels',
  summary: 'The models that are served',
  tags: ['models'],
  response: {
    200: {
      description: 'All of them.',
      type: 'object',
      required: ['object', 'data'],
      additionalProperties: false,
      properties: { object: { const: 'list' }, data: { type: 'array', items: modelSchema } },
    },
    401: failures[401],
  },
};

export const oneModelSchema = {
  operationId: 'retrieveModel',
  summary: 'One model',
  tags: ['models'],
  params: {
    type: 'object',
    required: ['model'],
    properties: { model: { type: 'string', maxLength: 256 } },
  },
  response: { 200: { description: 'The model.', ...modelSchema }, 401: failures[401], 404: failures[404] },
};
