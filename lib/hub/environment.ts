/** How Python's huggingface_hub reads the environment, but for empty variables, which all count as unset. */
import { homedir } from 'node:os';
import path from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

export function isYes(text: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(text ?? '');
}

/** A folder that a variable names: `~` is the home folder, `$NAME` and `${NAME}` are other variables' if there are such. */
export function folderIn(environment: Environment, text: string): string {
  const inHome = text.replace(/^~(?=$|[/\\])/, () => homedir());
  const values = new Map(Object.entries(environment));
  const valueOf = (whole: string, name = '', braced = name): string => values.get(braced) ?? whole;
  return path.resolve(inHome.replace(/\$(?:(\w+)|\{([^}]*)\})/g, valueOf));
}

/** Where Hugging Face's libraries keep what they keep. */
export function homeFolder(environment: Environment): string {
  const { HF_HOME, XDG_CACHE_HOME } = environment;
  return folderIn(environment, HF_HOME || path.join(XDG_CACHE_HOME || '~/.cache', 'huggingface'));
}

/** Where its models lie. */
export function cacheFolder(environment: Environment = process.env): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = environment;
  const folder = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  return folder ? folderIn(environment, folder) : path.join(homeFolder(environment), 'hub');
}
