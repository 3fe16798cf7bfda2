const ms = (description: string) => ({ type: 'number', minimum: 0, description });

/** Where the time went. */
export const toldSchema = {
  type: 'object',
  required: ['timings', 'cached'],
  additionalProperties: false,
  properties: {
    timings: {
      type: 'object',
      description:
        'Milliseconds. A stage that a cache made unnecessary is absent; one that a batch shares is the whole batch’s.',
      required: ['queued_ms', 'total_ms'],
      additionalProperties: false,
      properties: {
        queued_ms: ms('Until the work began, and for a place in a batch.'),
        decode_ms: ms('The picture’s bytes to the tower’s pixels.'),
        listen_ms: ms('The question’s words to features.'),
        look_ms: ms('The layers below the first fused one.'),
        encode_ms: ms('The fused layers and the projector.'),
        attend_ms: ms('The maps.'),
        first_token_ms: ms(
          'From the visual tokens to the first piece of the answer, waiting for the language model included.',
        ),
        total_ms: ms('Since the request came in.'),
      },
    },
    cached: {
      type: 'object',
      required: ['image', 'question'],
      additionalProperties: false,
      description: 'What was known from an earlier request.',
      properties: { image: { type: 'boolean' }, question: { type: 'boolean' } },
    },
  },
};
