import { announce } from './dom.js';

/** @typedef {import('./question.js').Question} Question */

/**
 * Says what comes of a question to those who do not see the page, each part as soon as it is there.
 *
 * @param {Question} question
 * @param {string} letter
 */
export function speakOf(question, letter) {
  let before = told(question);
  question.addEventListener('change', () => {
    const now = told(question);
    const { phase, isAnswered, hasMaps, lacks } = now;
    if (phase === 'asking' && before.phase !== 'asking') announce(`Question ${letter} asked`);
    if (isAnswered && !before.isAnswered) {
      announce(`Answer to question ${letter}: ${question.answer.trim() || 'none'}.`);
    }
    if (hasMaps && !before.hasMaps) announce(`The heat map of question ${letter} is there`);
    for (const { message } of lacks) {
      if (!before.lacks.some((each) => each.message === message)) announce(`Question ${letter}: ${message}`);
    }
    if (phase === 'stopped' && before.phase !== 'stopped') announce(`Question ${letter} stopped`);
    before = now;
  });
}

/** @param {Question} question */
function told({ phase, isAnswered, maps, lacks }) {
  return { phase, isAnswered, hasMaps: maps !== undefined, lacks };
}
