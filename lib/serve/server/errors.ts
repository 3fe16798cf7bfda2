import type { FastifyError } from 'fastify';
import { ClosedError } from '../../calls/calls';
import { QAViTError, type QAViTErrorCode } from '../../errors';
import { RequestError } from '../request-error';

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

/** What a client is told about an error, whatever was thrown. */
export function errorReply(error: unknown): ErrorReply {
  if (error instanceof RequestError) return reply(error.status, error.message, error.code, error.param);
  if (error instanceof QAViTError) return ofLibrary(error);
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

function ofLibrary(error: QAViTError): ErrorReply {
  const { code, message } = error;
  if (code === 'ERR_BUSY') return reply(429, 'Too many requests are under way; try again later', 'server_busy');
  if (error instanceof ClosedError) return reply(503, 'This model is not being served any more', 'model_closed');
  const ours = OURS[code];
  if (ours) return reply(...ours, code);
  return reply(400, withoutPaths(message), code);
}

/** Errors of the framework carry a status; what carries none is a fault of ours, and its message is not for the client. */
function ofFastify({ statusCode, message, code, validation }: Partial<FastifyError>): ErrorReply {
  if (validation) {
    const [first] = validation;
    return reply(
      400,
      `Expected a valid request body, but ${message}${detailOf(first)}`,
      'invalid_body',
      fieldOf(first),
    );
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return reply(statusCode, message ?? 'Bad request', code?.replace(/^FST_(ERR_)?/, '').toLowerCase() ?? null);
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

type Invalid = Pick<NonNullable<FastifyError['validation']>[number], 'instancePath' | 'params'>;

/** What the validator knows and does not say: which field is one too many, which values there are. */
function detailOf({ params = {} }: Partial<Invalid> = {}): string {
  const { additionalProperty, allowedValues, allowedValue } = params;
  if (typeof additionalProperty === 'string') return ` (${JSON.stringify(additionalProperty.slice(0, 80))})`;
  const allowed = Array.isArray(allowedValues) ? allowedValues : allowedValue === undefined ? [] : [allowedValue];
  return allowed.length > 0 ? ` (${allowed.map((value) => JSON.stringify(value)).join(', ')})` : '';
}

/** The field that is wrong, as a client writes it. */
function fieldOf({ instancePath = '', params = {} }: Partial<Invalid> = {}): string | null {
  const { additionalProperty, missingProperty } = params;
  const last = [additionalProperty, missingProperty].find((name) => typeof name === 'string');
  return pathOf(last === undefined ? instancePath : `${instancePath}/${last.slice(0, 80)}`);
}

/** `/messages/0/content` as `messages[0].content` */
function pathOf(pointer: string | undefined): string | null {
  if (!pointer) return null;
  return pointer
    .slice(1)
    .replace(/\/(\d+)(?=\/|$)/g, '[$1]')
    .replaceAll('/', '.');
}

/** Where files lie is nobody's business outside. */
function withoutPaths(message: string): string {
  return message.replace(/(?:[A-Za-z]:)?(?:[\\/][^\s\\/"':,()]+){2,}/g, '<file>');
}
