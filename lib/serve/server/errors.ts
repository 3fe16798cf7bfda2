import type { FastifyError } from 'fastify';
import { ClosedError } from '../../calls/calls';
import { QAViTError, type QAViTErrorCode } from '../../errors';
import { type Input, inputAtFault } from '../batcher/inputs';
import { RequestError } from '../request-error';
import { frameworkError } from './framework-errors';
import { invalidField } from './validation-errors';

/** OpenAI's error body. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

export interface ErrorReply {
  status: number;
  body: ErrorBody;
  /** Whether it is worth trying again. */
  retry: boolean;
}

/** What failed on our side is told apart by its code; what it says may name files, and is for the log. */
const OURS: Partial<Record<QAViTErrorCode, [status: number, message: string]>> = {
  ERR_OUT_OF_MEMORY: [503, 'The device has not enough memory for this request at the moment'],
  ERR_DEVICE: [500, 'The device or the language model failed'],
  ERR_NETWORK: [502, 'A server that the model needs did not answer'],
  ERR_ABORTED: [503, 'The request was stopped before it was done'],
};

/** The fields of a request's body that its picture and its question stood in. */
export type InputFields = Readonly<Record<Input, string>>;

/** What a client is told about an error, whatever was thrown. */
export function errorReply(error: unknown, fields?: InputFields | null): ErrorReply {
  if (error instanceof RequestError) return reply(error.status, error.message, error.code, error.param);
  if (error instanceof QAViTError) return ofLibrary(error, fields);
  return ofFastify(error as Partial<FastifyError>);
}

export function errorBody(
  status: number,
  message: string,
  code: string | null,
  param: string | null = null,
): ErrorBody {
  return { error: { message, type: typeOf(status), param, code } };
}

function ofLibrary(error: QAViTError, fields: InputFields | null | undefined): ErrorReply {
  const { code, message } = error;
  if (code === 'ERR_BUSY') return reply(429, 'Too many requests are under way; try again later', 'server_busy');
  if (error instanceof ClosedError) return reply(503, 'This model is not being served any more', 'model_closed');
  const ours = OURS[code];
  if (ours) return reply(...ours, code);
  const input = inputAtFault(error);
  return reply(400, forClients(message), code, (input && fields?.[input]) ?? null);
}

/** Errors of the framework carry a status; what carries none is a fault of ours, and its message is not for the client. */
function ofFastify({ statusCode, code, validation }: Partial<FastifyError>): ErrorReply {
  if (validation) {
    const { message, param } = invalidField(validation);
    return reply(400, message, 'invalid_body', param);
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const [publicCode, told] = frameworkError(code);
    return reply(statusCode, told, publicCode);
  }
  return reply(500, 'The server failed to answer this request', 'internal_error');
}

function reply(status: number, message: string, code: string | null, param: string | null = null): ErrorReply {
  return { status, body: errorBody(status, message, code, param), retry: status === 429 || status === 503 };
}

function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** Where files lie is nobody's business outside, and the library's options are nothing that a client could set. */
function forClients(message: string): string {
  return message.replace(/ \(limits\.\w+\)/, '').replace(/(?:[A-Za-z]:)?(?:[\\/][^\s\\/"':,()]+){2,}/g, '<file>');
}
