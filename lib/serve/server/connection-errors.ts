import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { errorBody } from './errors';
import { newRequestId, REQUEST_ID } from './request-id';

/** What came before there was a request: by Node's code, what the client is told. */
const KNOWN: Readonly<Record<string, readonly [status: number, code: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request_timeout', 'Expected the whole request sooner'],
  HPE_HEADER_OVERFLOW: [431, 'head_too_large', 'Expected a shorter head of the request'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'head_too_large', 'Expected shorter extensions of a chunk'],
};

/** Answers what is no request, or does not become one, in the form of all other errors, and hangs up. */
export function answerConnectionError(this: FastifyInstance, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, code, message] = KNOWN[error.code ?? ''] ?? [400, 'invalid_http', 'Expected a request of HTTP/1.1'];
  const id = newRequestId();
  this.log.info({ reqId: id, res: { statusCode: status }, code: error.code }, 'no request');
  const body = JSON.stringify(errorBody(status, message, code));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `${REQUEST_ID}: ${id}`,
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroy(error);
}
