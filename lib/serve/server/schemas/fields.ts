/** Fields that several requests have. */
export const model = { type: 'string', maxLength: 256 };
export const imageUrl = {
  type: 'string',
  description: 'data:image/...;base64,... or, where the server allows it, https:',
};
