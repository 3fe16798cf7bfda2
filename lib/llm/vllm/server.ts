import { boolean, checkOptions, integer, isPlainObject, matching, oneOf, path } from '../../calls/options';
import { expected, expectedButFound } from '../../errors';

/** How visual tokens go into a vLLM server; docs/runtimes.md says which fits which model. */
export type ServerInput = 'image_embeds' | 'prompt_embeds' | 'completions';

/** What numbers travel as; vLLM turns them into its model's own type. */
export type TravelDType = 'bf16' | 'f16' | 'f32';

export const DTYPE = oneOf('bf16', 'f16', 'f32');

/** A vLLM server, and how to talk to it. */
export interface VllmServer {
  /** Where its API lies, such as `http://host:8000/v1`. */
  url: string;
  /** The model's name there. */
  model: string;
  /**
   * `image_embeds` (the default): chat with a vision-language model (`--enable-mm-embeds`). `prompt_embeds`: chat with a text model
   * (`--enable-prompt-embeds`). `completions`: the whole prompt as rows, the words' made here from `text`.
   */
  input?: ServerInput;
  /** What tokens travel as; `bf16` unless told. */
  dtype?: TravelDType;
  /**
   * With `image_embeds`: whether the model is told the grid of the picture's patches, as Qwen2-VL has to be. Unless told, where the tower is
   * such a model's.
   */
  grid?: boolean;
  /**
   * The model's Hugging Face folder (for QAViT.load also its name at a hub), of which its embedding table is read row by row: for
   * `completions`, and for adapters that take questions by that table. Of the weights nothing else is loaded.
   */
  text?: string;
  /** The environment variable that holds the key, `VLLM_API_KEY` unless told; where it is empty, none is sent. */
  keyVariable?: string;
  /** How often a request is sent again after 429, 503 or a broken connection; 4 unless told. */
  retries?: number;
  /** Milliseconds that the server may be silent for, from 1 to 300,000 (what Node.js allows); 120,000 unless told. */
  timeout?: number;
}

/** Everything said, nothing left open. */
export interface ServerSettings extends Required<Omit<VllmServer, 'text' | 'grid'>> {
  readonly text?: string;
  readonly grid?: boolean;
  /** Address and model, for people. */
  readonly name: string;
}

const RULES = {
  url: { what: 'an address such as http://host:8000/v1', accepts: (value: unknown) => typeof value === 'string' },
  model: { what: "a model's name", accepts: (value: unknown) => typeof value === 'string' && value !== '' },
  input: oneOf('image_embeds', 'prompt_embeds', 'completions'),
  dtype: DTYPE,
  grid: boolean,
  text: path,
  keyVariable: matching(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable'),
  retries: integer(0, 20),
  timeout: integer(1, 300_000),
};

/** Whether `language` names a server, not a folder: by its address, or by settings. */
export function isServer(language: unknown): language is string | VllmServer {
  return typeof language === 'string' ? /^https?:\/\//i.test(language) : isPlainObject(language);
}

/**
 * @param server settings, or address and model in one: `http://host:8000/v1#model`
 * @throws QAViTError ERR_ARGUMENT
 */
export function readServer(server: string | VllmServer): ServerSettings {
  const given = typeof server === 'string' ? fromAddress(server) : server;
  if (!isPlainObject(given)) throw expected('ERR_ARGUMENT', 'an address or { url, model }', 'a server', given);
  const { url, model, ...rest } = checkOptions<VllmServer>(given, RULES, 'a server');
  if (model === undefined) throw expected('ERR_ARGUMENT', RULES.model.what, 'model of a server', model);
  const { input = 'image_embeds', dtype = 'bf16', keyVariable = 'VLLM_API_KEY', retries = 4, timeout = 120_000 } = rest;
  if (input === 'completions' && rest.text === undefined) {
    const what = "the model's folder, of which the words' rows are read,";
    throw expected('ERR_ARGUMENT', what, "text of a server with input 'completions'", rest.text);
  }
  const base = baseOf(url);
  const { text, grid } = rest;
  return {
    url: base,
    model,
    input,
    dtype,
    ...(grid !== undefined && { grid }),
    text,
    keyVariable,
    retries,
    timeout,
    name: `${base}#${model}`,
  };
}

function fromAddress(address: string): VllmServer {
  const at = address.indexOf('#');
  const model = at < 0 ? '' : address.slice(at + 1);
  if (model !== '') return { url: address.slice(0, at), model };
  const what = "an address with the model's name behind # (http://host:8000/v1#llava-hf/llava-1.5-7b-hf)";
  throw expected('ERR_ARGUMENT', what, 'a server', withoutSecrets(address));
}

/** The address without a slash at its end. What may be secret has no place in it, because it is shown in messages. */
function baseOf(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw expected('ERR_ARGUMENT', RULES.url.what, 'url of a server', address);
  if (url.username || url.password || url.search || url.hash) {
    const found = `${withoutSecrets(address)} with more in it`;
    throw expectedButFound('ERR_ARGUMENT', 'an address without name, password, ? and #', 'url of a server', found);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function withoutSecrets(address: string): string {
  return URL.canParse(address) ? `${new URL(address).origin}${new URL(address).pathname}` : 'something else';
}
