import { readDataUrl } from '../security/data-url';
import { fetchImage } from '../security/remote-image';
import { RequestError } from '../request-error';
import type { ServerContext } from './context';

/**
 * Pictures that are fetched at a time. A URL is short where the picture that it names is not: it is memory, which no limit of requests
 * under way bounds before the picture is there.
 */
export const FETCHES = 32;

/**
 * The bytes of the picture that a request names. Nothing but URLs is taken: a path would be one of ours.
 *
 * @param caller whose turn it takes where too many are fetched already
 */
export async function readImage(
  url: string,
  param: string,
  { options: { limits, remoteImages, timeouts }, fetches }: Pick<ServerContext, 'options' | 'fetches'>,
  { caller, signal }: { caller: string; signal: AbortSignal },
): Promise<Buffer> {
  if (!/^https:/i.test(url)) return readDataUrl(url, limits.imageBytes, param);
  if (!remoteImages) {
    const message = 'Expected a data: URL for the image: this server fetches no pictures from elsewhere';
    throw new RequestError(400, 'remote_images_disabled', message, param);
  }
  const release = await fetches.acquire(caller, signal);
  try {
    return await fetchImage(url, { maxBytes: limits.imageBytes, timeoutMs: timeouts.remoteImageMs, signal, param });
  } finally {
    release();
  }
}

/** @throws RequestError 400 for a question that is too long, or empty */
export function checkQuestion(question: string, limit: number, param: string): string {
  if (question.length > limit) {
    throw new RequestError(400, 'question_too_long', `Expected at most ${limit} characters for the question`, param);
  }
  if (question.trim() === '') throw new RequestError(400, 'question_empty', 'Expected a question', param);
  return question;
}
