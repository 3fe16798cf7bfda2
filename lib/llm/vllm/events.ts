import type { Failures } from './failures';

/** An event of vLLM's is one token, some hundred bytes. */
const MAX_EVENT = 256 * 1024;

/**
 * The data of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html); comments and fields of other names
 * are passed over, an event without its end is dropped. Holds one event at most.
 *
 * @throws ServerFailure ERR_FORMAT for an event beyond any sense
 */
export async function* readEvents(
  bytes: AsyncIterable<Uint8Array>,
  failures: Failures,
): AsyncGenerator<string, void, void> {
  let data: string[] = [];
  let held = 0;
  for await (const line of readLines(bytes, failures)) {
    if (line === '') {
      if (data.length > 0) yield data.join('\n');
      data = [];
      held = 0;
      continue;
    }
    if (!line.startsWith('data:')) continue;
    data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    held += line.length;
    if (held > MAX_EVENT) throw tooLong(failures);
  }
}

async function* readLines(bytes: AsyncIterable<Uint8Array>, failures: Failures): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  // Appended to, never searched again: a line that comes byte by byte costs no more than one that comes whole.
  let line = '';
  for await (const chunk of bytes) {
    const [first = '', ...others] = decoder.decode(chunk, { stream: true }).split('\n');
    line += first;
    for (const next of others) {
      yield line.endsWith('\r') ? line.slice(0, -1) : line;
      line = next;
    }
    if (line.length > MAX_EVENT) throw tooLong(failures);
  }
}

function tooLong(failures: Failures): Error {
  return failures.make('ERR_FORMAT', `events of at most ${MAX_EVENT} characters`, 'a longer one');
}
