/** How Python's huggingface_hub reads the environment: empty variables count as unset, and `~` is the home folder. */
import { homedir } from 'node:os';
import path from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

export function isYes(text: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(text ?? '');
}

export function inHome(folder: string): string {
  return folder.replace(/^~(?=$|[/\\])/, homedir());
}

/** Where Hugging Face's libraries keep what they keep. */
export function homeFolder({ HF_HOME, XDG_CACHE_HOME }: Environment): string {
  const home = HF_HOME || path.join(XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'huggingface');
  return path.resolve(inHome(home));
}

/** Where its models lie. */
export function cacheFolder(environment: Environment = process.env): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = environment;
  const folder = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  return folder ? path.resolve(inHome(folder)) : path.join(homeFolder(environment), 'hub');
}
