import type { RequestLimits } from '../options';

/** Fields that several requests have. */
export const model = { type: 'string', maxLength: 256 };
export const imageUrl = ({ imageBytes, pixels }: Required<RequestLimits>) => ({
  type: 'string',
  description: `data:image/...;base64,... or, where the server allows it, https:. At most ${imageBytes} bytes, and ${pixels} pixels.`,
});
export const visualTokens = {
  anyOf: [{ type: 'integer', minimum: 1 }, { const: 'all' }],
  description:
    'How many visual tokens are handed over, the ones rated highest for the question; for models with selectsTokens. Default: the model’s visualTokens.',
};
