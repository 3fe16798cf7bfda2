import { resolve4, resolve6 } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { untilAborted } from '../../calls/abort';
import { RequestError } from '../request-error';
import { isPublicAddress } from './addresses';

/** How many hops a picture may be away; each is checked as the first. */
const MAX_REDIRECTS = 3;

export interface FetchOptions {
  maxBytes: number;
  /** For everything, redirects included. */
  timeoutMs: number;
  signal: AbortSignal;
  /** Which field of the request named the URL. */
  param: string;
}

/** The network; tests bring their own. */
export interface Network {
  /** All addresses of a host; none where the name is unknown. */
  resolve(host: string): Promise<string[]>;
  /** Sends the request to the first of `addresses` that can be connected to, whatever the URL's host now resolves to. */
  request(url: URL, addresses: readonly string[], signal: AbortSignal): Promise<IncomingMessage>;
}

export const internet: Network = {
  // Not lookup(), which waits on a thread that decoding and files need: a few names that nobody answers for would hold up everything.
  resolve: async (host) => {
    const found = await Promise.allSettled([resolve4(host), resolve6(host)]);
    return found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  },
  request: (url, addresses, signal) =>
    new Promise((resolve, reject) => {
      const found = addresses.map((address) => ({ address, family: isIP(address) }));
      const [{ address, family } = { address: '', family: 0 }] = found;
      const options: https.RequestOptions = {
        signal,
        // No connection of an earlier request, whose host may have had another address.
        agent: false,
        headers: { accept: 'image/*', 'accept-encoding': 'identity', 'user-agent': 'qavit' },
        // The name is only for the certificate: what was checked is what is connected to, IPv4 or IPv6 as this machine can. Node.js asks for
        // all, and tries one after the other, unless it was told not to.
        lookup: (_host, { all }, done) =>
          all ? (done as (e: null, a: object[]) => void)(null, found) : done(null, address, family),
      };
      https.get(url, options, resolve).on('error', reject);
    }),
};

/**
 * Fetches a picture from the public Internet: https on its own port, hosts all of whose addresses are public, a connection to one of
 * those that were checked, bounded in hops, bytes and time.
 *
 * @throws RequestError 400 (a URL that is not fetched, or not a picture), 413, 502, 504
 */
export async function fetchImage(given: string, options: FetchOptions, network = internet): Promise<Buffer> {
  const { param, timeoutMs } = options;
  const controller = new AbortController();
  const abort = (): void => controller.abort(options.signal.reason);
  if (options.signal.aborted) abort();
  options.signal.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    return await follow(given, { ...options, signal: controller.signal }, network);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    options.signal.throwIfAborted();
    if (controller.signal.aborted) throw failed(504, 'remote_image_timeout', 'an image within the time allowed', param);
    // What exactly failed would tell an attacker what stands behind the firewall.
    throw failed(502, 'remote_image_failed', 'an image that can be fetched', param);
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', abort);
    // Ends what is still open, such as a body that was refused half-way.
    controller.abort();
  }
}

async function follow(given: string, options: FetchOptions, network: Network): Promise<Buffer> {
  let url = checkUrl(given, options.param);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const addresses = await checkedAddresses(url, options, network);
    const response = await network.request(url, addresses, options.signal);
    const { statusCode = 0, headers } = response;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.destroy();
      url = checkUrl(headers.location, options.param, url);
      continue;
    }
    if (statusCode !== 200) {
      response.destroy();
      throw failed(502, 'remote_image_failed', 'an image that can be fetched', options.param);
    }
    return readBody(response, options);
  }
  throw failed(400, 'remote_image_redirects', `at most ${MAX_REDIRECTS} redirects`, options.param);
}

function checkUrl(text: string, param: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base) : undefined;
  const isFetched = url?.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '';
  if (url && isFetched) return url;
  throw failed(400, 'invalid_image_url', 'a data: URL, or an https: URL without port and credentials,', param);
}

/** The addresses of a host that has public ones only: one that is not would be reached at the next try. */
async function checkedAddresses(
  { hostname }: URL,
  { signal, param }: FetchOptions,
  network: Network,
): Promise<string[]> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) ? [host] : await resolved(host, signal, network);
  if (addresses.length > 0 && addresses.every(isPublicAddress)) return addresses;
  throw failed(400, 'remote_image_refused', 'a host with public addresses only', param);
}

/** No addresses where the name is unknown. */
function resolved(host: string, signal: AbortSignal, network: Network): Promise<string[]> {
  const resolving = network.resolve(host).catch(() => []);
  return untilAborted(resolving, signal, 'the image');
}

async function readBody(response: IncomingMessage, { maxBytes, param }: FetchOptions): Promise<Buffer> {
  const { 'content-type': type = '', 'content-encoding': coding = 'identity' } = response.headers;
  try {
    if (!/^image\/[a-z0-9.+-]+/i.test(type) || coding !== 'identity') {
      throw failed(400, 'not_an_image', 'a response of a type image/*, uncompressed,', param);
    }
    const chunks: Buffer[] = [];
    let size = Number(response.headers['content-length'] ?? 0);
    if (size <= maxBytes) {
      size = 0;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > maxBytes) break;
        chunks.push(chunk);
      }
    }
    if (size <= maxBytes) return Buffer.concat(chunks);
    throw failed(413, 'image_too_large', `at most ${maxBytes} bytes`, param);
  } finally {
    response.destroy();
  }
}

function failed(status: number, code: string, what: string, param: string): RequestError {
  return new RequestError(status, code, `Expected ${what} for the image`, param);
}
