/** 'qa-vit': as the published checkpoints were trained. 'none': the question as it is. */
export type QuestionNormalization = 'qa-vit' | 'none';

// The question mark is not among them.
const DELETED = /[.!"()*#:;~]/g;

/** Every blank separates, so that two in a row enclose an empty word, as in the published code. */
const MAX_WORDS = 50;

/**
 * A question as the QA-ViT adapter's training data had it: lower case, without `. ! " ( ) * # : ; ~`, without blanks at the right end,
 * at most 50 words (arXiv 2402.05472 and its published code).
 */
export function normalizeQuestion(question: string, normalization: QuestionNormalization): string {
  if (normalization === 'none') return question;
  return question.toLowerCase().replace(DELETED, '').trimEnd().split(' ').slice(0, MAX_WORDS).join(' ');
}
