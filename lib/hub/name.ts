import { expectedButFound } from '../errors';

/** A model at a hub: `org/name`, and of its history a branch, tag or commit. */
export interface HubName {
  /** `openai/clip-vit-base-patch32` */
  readonly repo: string;
  /** `main` unless the name says another. */
  readonly revision: string;
  /** As it was given, for messages. */
  readonly given: string;
  /** Whether it says `hf:` and so can mean nothing but the hub's. */
  readonly explicit: boolean;
}

const SCHEME = 'hf:';
const DEFAULT_REVISION = 'main';
/** The hub's own rules: these characters, at most 96 of them, no `--` (which separates the parts in a cache) and no `..`. */
const PART = /^(?!.*(--|\.\.))[A-Za-z0-9_]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$/;
/** What git allows in a branch or tag, without what would leave a folder. */
const REVISION = /^(?!.*(\.\.|\/\/|\.lock$))[A-Za-z0-9_][A-Za-z0-9._/-]{0,254}(?<![/.])$/;

/**
 * The model at a hub that a text names; undefined for what can only be a path: `./clip`, `/models/clip`, `clip`, `a/b/c`.
 *
 * @throws QAViTError ERR_ARGUMENT for `hf:` before what is no name, and for a revision that is none
 */
export function parseHubName(given: string): HubName | undefined {
  const explicit = given.startsWith(SCHEME);
  const text = explicit ? given.slice(SCHEME.length) : given;
  const at = text.indexOf('@');
  const repo = at < 0 ? text : text.slice(0, at);
  const parts = repo.split('/');
  if (parts.length !== 2 || !parts.every((part) => PART.test(part))) {
    if (!explicit) return undefined;
    const what = 'hf:org/name or hf:org/name@revision, of letters, digits, and single - _ . inside,';
    throw expectedButFound('ERR_ARGUMENT', what, 'a model at a hub', quoted(given));
  }
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  if (REVISION.test(revision)) return { repo, revision, given, explicit };
  throw expectedButFound('ERR_ARGUMENT', 'a branch, tag or commit behind @', 'a model at a hub', quoted(given));
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 197)}...` : text);
}
