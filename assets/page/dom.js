/**
 * The element at `selector`, of the type that is expected there: a page that lost one fails at once and says what.
 *
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(root, selector, type) {
  const element = root.querySelector(selector);
  if (element instanceof type) return element;
  throw new Error(`Expected ${type.name} at ${selector}`);
}

/**
 * A copy of a <template>'s one element.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function fromTemplate(id, type) {
  const copy = find(document, `#${id}`, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (copy instanceof type) return copy;
  throw new Error(`Expected ${type.name} in template ${id}`);
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {...(Node | string)} children
 */
export function element(tag, className, ...children) {
  const created = document.createElement(tag);
  if (className) created.className = className;
  created.append(...children);
  return created;
}

/** No more is kept: what was said long ago is nothing to come across at the page's end. */
const KEPT_WORDS = 8;

/**
 * Says something to those who do not see the page, after what was said before it.
 *
 * @param {string} words
 */
export function announce(words) {
  const log = find(document, '#spoken', HTMLElement);
  log.append(element('p', '', words));
  if (log.children.length > KEPT_WORDS) log.firstElementChild?.remove();
}

/** @typedef {import('./plain-words.js').PlainWords} PlainWords */

/** @param {PlainWords} words */
export const inParagraphs = ({ message, detail }) => [
  element('p', '', message),
  ...(detail ? [element('p', 'detail', detail)] : []),
];

/**
 * A failure in its place on the page; none clears it.
 *
 * @param {HTMLElement} place role="alert"
 * @param {PlainWords | undefined} problem
 */
export function showProblem(place, problem) {
  place.replaceChildren(...(problem ? inParagraphs(problem) : []));
}
