type Told = readonly [code: string, message: string];

/** What clients are told of the framework's errors: its codes and words are its own, and may change with it. */
const KNOWN: Readonly<Record<string, Told>> = {
  FST_ERR_BAD_URL: ['invalid_url', 'Expected a path in valid percent-encoding'],
  FST_ERR_MAX_PARAM_LENGTH: ['invalid_url', 'Expected a shorter path'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid_json', 'Expected a body of JSON but received none'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid_content_length', 'Expected a body as long as Content-Length says'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid_json', 'Expected a body of valid JSON'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'Expected a body of the type application/json'],
};

export function frameworkError(code: string | undefined): Told {
  return KNOWN[code ?? ''] ?? ['invalid_request', 'Expected a valid request'];
}
