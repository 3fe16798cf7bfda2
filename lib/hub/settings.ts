import { homedir } from 'node:os';
import path from 'node:path';
import { expectedButFound } from '../errors';

/** Where users of Hugging Face's own libraries expect their models from. */
const DEFAULT_ENDPOINT = 'https://huggingface.co';

/** What the environment says about hub and cache; the variables are those of Python's huggingface_hub. */
export interface HubSettings {
  /** Where models lie: <cache>/models--org--name. */
  readonly cache: string;
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** Goes to the endpoint alone, and into no message. */
  readonly token?: string;
  /** Nothing is asked of any server. */
  readonly offline: boolean;
  /** For a server to say something; a transfer may take any time as long as something comes. */
  readonly timeoutMs: number;
  /** Before the first repetition of a request that failed; doubled for each further one. */
  readonly retryMs: number;
  /** How often the process that downloads a model says that it lives, so that others wait for it. */
  readonly beatMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws QAViTError ERR_ARGUMENT for a variable that makes no sense, never showing a secret */
export function hubSettings(environment: Environment = process.env): HubSettings {
  return {
    cache: cacheFolder(environment),
    endpoint: endpoint(environment.HF_ENDPOINT),
    token: token(environment.HF_TOKEN),
    offline: /^(1|on|yes|true)$/i.test(environment.HF_HUB_OFFLINE ?? ''),
    timeoutMs: timeoutMs(environment.HF_HUB_DOWNLOAD_TIMEOUT),
    retryMs: 1000,
    beatMs: 1000,
  };
}

/** Empty variables count as unset, and `~` is the home folder, as in Python. */
export function cacheFolder(environment: Environment = process.env): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = environment;
  const home = HF_HOME || path.join(XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'huggingface');
  const folder = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || path.join(home, 'hub');
  return path.resolve(folder.replace(/^~(?=$|[/\\])/, homedir()));
}

function endpoint(text: string | undefined): string {
  const given = text || DEFAULT_ENDPOINT;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const plain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  if (plain) return url.href.replace(/\/+$/, '');
  // Not shown: it may hold a password.
  throw expectedButFound('ERR_ARGUMENT', 'an http(s) URL without user and query', 'HF_ENDPOINT', 'another text');
}

function token(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  if (!trimmed) return undefined;
  // What no header can hold would be quoted in the error of whoever tries.
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed;
  throw expectedButFound('ERR_ARGUMENT', 'printable ASCII without blanks', 'HF_TOKEN', 'something else (not shown)');
}

function timeoutMs(text: string | undefined): number {
  if (!text) return 30_000;
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 3600) return seconds * 1000;
  const what = 'seconds above 0 and up to 3600';
  throw expectedButFound('ERR_ARGUMENT', what, 'HF_HUB_DOWNLOAD_TIMEOUT', JSON.stringify(text));
}
