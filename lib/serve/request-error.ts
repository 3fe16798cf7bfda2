/** A request that cannot be served, in the words and with the status that its client gets. */
export class RequestError extends Error {
  override readonly name = 'RequestError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Which field of the body is meant. */
    readonly param: string | null = null,
  ) {
    super(message);
  }
}
