import { STATUS_CODES } from 'node:http';
import { QAViTError, type QAViTErrorCode } from '../../errors';
import { isJsonObject } from '../../json-file';
import type { ServerSettings } from './server';

/** A server did not do what was asked. */
export class ServerFailure extends QAViTError {}

/** A server's message is shown up to here; vLLM's are a sentence. */
const MAX_TEXT = 500;
/** As much of the key in a message as lets nobody use it. */
const TELLING_PART = 6;

/** Words failures of one server, without its key. */
export class Failures {
  constructor(
    private readonly server: Pick<ServerSettings, 'name' | 'keyVariable'>,
    private readonly key: string | undefined,
  ) {}

  /** `Expected <what> for <server> but received <found>`, where `found` may hold what the server said. */
  make(code: QAViTErrorCode, what: string, found: string): ServerFailure {
    const received = withoutKey(found, this.key);
    return new ServerFailure(code, `Expected ${what} for ${this.server.name} but received ${received}`);
  }

  /** @param said the body's beginning */
  ofStatus(status: number, contentType: string, said: string): ServerFailure {
    const found = `status ${status} ${STATUS_CODES[status] ?? ''}`.trim();
    const message = messageOf(said, contentType);
    const code = codeOf(status);
    return this.make(code, this.wanted(status), message === '' ? found : `${found}: ${JSON.stringify(message)}`);
  }

  /** @param event the object of an error inside a stream that had begun well */
  ofEvent(event: unknown): ServerFailure {
    const error = isJsonObject(event) && isJsonObject(event.error) ? event.error : event;
    const { code } = isJsonObject(error) ? error : { code: undefined };
    const message = shown(messageIn(event) ?? JSON.stringify(event));
    return this.make(
      codeOf(typeof code === 'number' ? code : 500),
      'an answer',
      `an error: ${JSON.stringify(message)}`,
    );
  }

  private wanted(status: number): string {
    if (status === 401 || status === 403) {
      const variable = `environment variable ${this.server.keyVariable}`;
      return this.key === undefined ? `a key in ${variable}` : `the right key in ${variable}`;
    }
    return status >= 300 && status < 400 ? 'an address that does not lead elsewhere' : 'an answer';
  }
}

function codeOf(status: number): QAViTErrorCode {
  if (status === 429 || status === 503) return 'ERR_BUSY';
  if (status >= 300 && status < 500) return 'ERR_ARGUMENT';
  return status < 300 ? 'ERR_FORMAT' : 'ERR_DEVICE';
}

/** What a body says in the server's own words: the message of OpenAI's, vLLM's and FastAPI's errors, or the text of a page. */
export function messageOf(said: string, contentType: string): string {
  try {
    const message = messageIn(JSON.parse(said));
    if (message !== undefined) return shown(message);
  } catch {
    // Not JSON, or cut: shown as it is.
  }
  if (!/html/i.test(contentType) && !/^\s*</.test(said)) return shown(said);
  // Of a proxy's page the title is what matters, and it comes first.
  return shown(said.replace(/<(style|script)[^>]*>[^]*?(<\/\1>|$)/gi, ' ').replace(/<[^>]*>?/g, ' '));
}

function messageIn(said: unknown): string | undefined {
  if (!isJsonObject(said)) return undefined;
  const { error, message, detail } = said;
  if (typeof error === 'string') return error;
  if (isJsonObject(error) && typeof error.message === 'string') return error.message;
  if (typeof message === 'string') return message;
  return detail === undefined ? undefined : typeof detail === 'string' ? detail : JSON.stringify(detail);
}

/** On one line, without what could steer a terminal or forge a line of a log. */
export function shown(text: string): string {
  const line = text
    .slice(0, 16 * MAX_TEXT)
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim();
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT - 3)}...` : line;
}

/** Every part of the key that would tell something is taken out of what a server said: some echo the key they refuse. */
function withoutKey(text: string, key: string | undefined): string {
  if (key === undefined) return text;
  const part = Math.min(TELLING_PART, key.length);
  let cleaned = '';
  for (let at = 0; at < text.length;) {
    let end = at;
    while (end - at < key.length && end < text.length && key.includes(text.slice(at, end + 1))) end++;
    if (end - at < part) cleaned += text[at++];
    else {
      cleaned += '[key]';
      at = end;
    }
  }
  return cleaned;
}
