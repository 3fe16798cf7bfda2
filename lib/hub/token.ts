/** Who we are at a hub, found where Python's huggingface_hub finds it. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expectedButFound } from '../errors';
import { type Environment, folderIn, homeFolder, isYes } from './environment';

export interface HubToken {
  /** Goes to the endpoint alone, and into no message. */
  readonly secret: string;
  /** The variable or file that it is from. */
  readonly source: string;
}

/** What is larger is no token. */
const LONGEST_FILE = 4096;

/**
 * HF_TOKEN, else what `hf auth login` has saved. Unlike in Python the latter, which nobody named for this endpoint, is only for the one
 * that it was made at.
 *
 * @throws QAViTError ERR_ARGUMENT for what no header can hold, not showing it
 */
export function findToken(environment: Environment, isDefaultEndpoint: boolean): HubToken | undefined {
  if (isYes(environment.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const found = checked(environment[name], name);
    if (found) return found;
  }
  return isDefaultEndpoint ? savedToken(environment) : undefined;
}

function savedToken(environment: Environment): HubToken | undefined {
  const { HF_TOKEN_PATH } = environment;
  const file = HF_TOKEN_PATH ? folderIn(environment, HF_TOKEN_PATH) : path.join(homeFolder(environment), 'token');
  return checked(contents(file), file);
}

/** Undefined for what is not there, or not to be read by us: public models need no token. */
function contents(file: string): string | undefined {
  try {
    const about = statSync(file);
    return about.isFile() && about.size <= LONGEST_FILE ? readFileSync(file, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

function checked(text: string | undefined, source: string): HubToken | undefined {
  const secret = text?.trim();
  if (!secret) return undefined;
  // What no header can hold would be quoted in the error of whoever tries.
  if (/^[\x21-\x7e]+$/.test(secret)) return { secret, source };
  throw expectedButFound('ERR_ARGUMENT', 'printable ASCII without blanks', source, 'something else (not shown)');
}
