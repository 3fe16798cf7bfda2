/** As browsers send them, letter by letter: without a path, and in lower case. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@A-Z,*]+$/;

/** Whether a page can have it as its origin; what else is named would never be equal to one. */
export function isOrigin(value: unknown): boolean {
  return typeof value === 'string' && ORIGIN.test(value);
}
