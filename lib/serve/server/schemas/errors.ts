/** OpenAI's error body. */
export const errorSchema = {
  type: 'object',
  required: ['error'],
  additionalProperties: false,
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      additionalProperties: false,
      properties: {
        message: { type: 'string' },
        type: { type: 'string', enum: ['invalid_request_error', 'rate_limit_error', 'server_error'] },
        param: { type: 'string', nullable: true, description: 'Which field of the body is meant.' },
        code: { type: 'string', nullable: true },
      },
    },
  },
};

const about: Readonly<Record<string, string>> = {
  400: 'The request cannot be honoured; nothing of it was computed.',
  401: 'No valid API key.',
  404: 'No such model.',
  413: 'The body or the picture is too large.',
  415: 'The body is not plain JSON.',
  429: 'Too many requests; Retry-After says when to try again.',
  500: 'The device or the server failed.',
  501: 'This model cannot do it.',
  502: 'A server that was needed did not answer, or a picture could not be fetched.',
  503: 'Shutting down, or not enough memory at the moment.',
  504: 'A picture could not be fetched in time.',
};

/** What a route may answer besides 200. */
export const failures = Object.fromEntries(
  Object.entries(about).map(([status, description]) => [status, { description, ...errorSchema }]),
);
