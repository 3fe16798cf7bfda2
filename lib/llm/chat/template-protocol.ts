/** What a template's process and its parent say to each other, and what a rendering may take. */
export interface Rendering {
  /** The template. */
  source: string;
  variables: Record<string, unknown>;
}

/** For every rendering the text, or why there is none: the template refuses, or it was stopped. */
export type Rendered = { text: string } | { reason: string } | { stopped: string };

/** Said first, once the interpreter is loaded. */
export const READY = 'ready';

/** Rendering takes milliseconds; the rest is for a machine that is busy. */
export const TIME_LIMIT_MS = 3000;
/** Far more than a prompt needs, and little beside any model. */
export const MEMORY_MB = 64;
/** Characters: beyond any model's positions. */
export const MAX_RENDERED = 2 ** 20;
