import { expectedButFound } from '../errors';
import { cacheFolder, type Environment, isYes } from './environment';
import { findToken, type HubToken } from './token';

/** Where users of Hugging Face's own libraries expect their models from. */
const DEFAULT_ENDPOINT = 'https://huggingface.co';

/** What the environment says about hub and cache; the variables are those of Python's huggingface_hub. */
export interface HubSettings {
  /** Where models lie: <cache>/models--org--name. */
  readonly cache: string;
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token?: HubToken;
  /** The variable that says that nothing is asked of any server. */
  readonly offlineBy?: string;
  /** For a server to say something; a transfer may take any time as long as something comes. */
  readonly timeoutMs: number;
  /** About as long before the first repetition of a request that failed; doubled for each further one. */
  readonly retryMs: number;
  /** How often the process that downloads a model says that it lives, so that others wait for it. */
  readonly beatMs: number;
}

/** @throws QAViTError ERR_ARGUMENT for a variable that makes no sense, never showing a secret */
export function hubSettings(environment: Environment = process.env): HubSettings {
  const asked = endpoint(environment.HF_ENDPOINT);
  const offline = environment.HF_HUB_OFFLINE ? 'HF_HUB_OFFLINE' : 'TRANSFORMERS_OFFLINE';
  return {
    cache: cacheFolder(environment),
    endpoint: asked,
    token: findToken(environment, asked === DEFAULT_ENDPOINT),
    offlineBy: isYes(environment[offline]) ? offline : undefined,
    timeoutMs: timeoutMs(environment.HF_HUB_DOWNLOAD_TIMEOUT),
    retryMs: 1000,
    beatMs: 1000,
  };
}

function endpoint(text: string | undefined): string {
  const given = text || DEFAULT_ENDPOINT;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const plain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  if (plain) return url.href.replace(/\/+$/, '');
  // Not shown: it may hold a password.
  throw expectedButFound('ERR_ARGUMENT', 'an http(s) URL without user and query', 'HF_ENDPOINT', 'another text');
}

function timeoutMs(text: string | undefined): number {
  if (!text) return 30_000;
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 3600) return seconds * 1000;
  const what = 'seconds above 0 and up to 3600';
  throw expectedButFound('ERR_ARGUMENT', what, 'HF_HUB_DOWNLOAD_TIMEOUT', JSON.stringify(text));
}
