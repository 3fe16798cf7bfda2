import { element } from './dom.js';

/**
 * @typedef {{ name: string, ms: number, color: number }} Stage the same stage has the same colour everywhere
 * @typedef {import('./api.js').Extras} Extras
 */

/** Durations that the server states as they are. */
const STATED = /** @type {const} */ ([
  ['queued_ms', 'Waiting'],
  ['decode_ms', 'Opening the picture'],
  ['listen_ms', 'Reading the question'],
  ['look_ms', 'Layers below the question'],
  ['encode_ms', 'Layers with the question'],
  ['first_token_ms', 'First word'],
]);

/**
 * What the server tells apart, then all that is left, which is the rest of the answer.
 *
 * @param {Extras} extras
 * @returns {Stage[]}
 */
export function stagesOf({ timings = {} }) {
  /** @type {Stage[]} */
  const stages = STATED.flatMap(([key, name], color) => {
    const ms = timings[key];
    return ms === undefined ? [] : [{ name, ms, color }];
  });
  const { total_ms: total, decode_ms: opening = 0, listen_ms: reading = 0 } = timings;
  if (total === undefined) return stages;
  // The picture is opened while the question is read: the shorter of the two took no time of its own.
  const known = stages.reduce((sum, { ms }) => sum + ms, -Math.min(opening, reading));
  return [...stages, { name: 'Rest of the answer', ms: Math.max(0, total - known), color: STATED.length }];
}

/** @param {number} ms */
export const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

/** @param {Extras} extras */
function remembered({ cached = {} }) {
  const what = [...(cached.image ? ['picture'] : []), ...(cached.question ? ['question'] : [])];
  return what.length > 0
    ? `The ${what.join(' and the ')} had been seen before and ${what.length > 1 ? 'were' : 'was'} not computed again.`
    : '';
}

/**
 * A bar of the stages, each as long as it took, and their names and numbers below.
 *
 * @param {HTMLElement} place
 * @param {Extras} extras
 * @param {number} browserMs
 */
export function showTimings(place, extras, browserMs) {
  const stages = stagesOf(extras);
  const total = stages.reduce((sum, { ms }) => sum + ms, 0);
  const bar = element('div', 'stage-bar');
  bar.setAttribute('aria-hidden', 'true');
  const list = element('dl', 'stage-list');
  for (const { name, ms, color } of stages) {
    const part = element('span', `stage-part stage-${color}`);
    part.style.flexGrow = String(total > 0 ? ms / total : 0);
    bar.append(part);
    list.append(element('div', `stage-${color}`, element('dt', '', name), element('dd', '', milliseconds(ms))));
  }
  const whole = extras.timings?.total_ms ?? total;
  const heading = `${milliseconds(whole)} in the server, ${milliseconds(browserMs)} seen from here`;
  place.replaceChildren(element('h3', 'stage-heading', heading), bar, list);
  const note = remembered(extras);
  if (note) place.append(element('p', 'hint', note));
}
