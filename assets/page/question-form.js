import { find, fromTemplate } from './dom.js';

/** How many of a picture's questions are offered at once. */
export const SUGGESTIONS = 3;

/** Where a question is typed. Asking while an answer is written stops it. */
export class QuestionForm {
  element = fromTemplate('question-template', HTMLFormElement);
  #field = find(this.element, 'input', HTMLInputElement);
  #button = find(this.element, 'button[type=submit]', HTMLButtonElement);
  #suggestions = find(this.element, '.suggestions', HTMLElement);
  #question;
  #ask;

  /**
   * @param {string} letter
   * @param {import('./question.js').Question} question
   * @param {(text: string) => void} ask
   */
  constructor(letter, question, ask) {
    this.#question = question;
    this.#ask = ask;
    this.#field.id = `question-${letter.toLowerCase()}`;
    const label = find(this.element, 'label', HTMLLabelElement);
    label.htmlFor = this.#field.id;
    find(label, '.badge', HTMLElement).textContent = letter;
    find(label, '.question-name', HTMLElement).textContent = letter === 'A' ? 'Question' : 'Second question';
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submitted();
    });
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') question.stop();
    });
    this.#field.addEventListener('input', () => this.#show());
    question.addEventListener('change', () => this.#show());
    this.#show();
  }

  /** @returns {HTMLButtonElement} takes a second question away again */
  get removeButton() {
    return find(this.element, '.remove', HTMLButtonElement);
  }

  focus() {
    this.#field.focus();
  }

  /** @param {readonly { question: string }[]} questions */
  suggest(questions) {
    const items = questions.slice(0, SUGGESTIONS).map(({ question }) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = question;
      button.addEventListener('click', () => {
        this.#field.value = question;
        this.#ask(question);
      });
      const item = document.createElement('li');
      item.append(button);
      return item;
    });
    this.#suggestions.replaceChildren(...items);
  }

  /** @param {boolean} can */
  allow(can) {
    this.#field.disabled = !can;
    this.#button.disabled = !can;
  }

  #submitted() {
    if (this.#stops) this.#question.stop();
    else if (this.#text === '') this.#field.focus();
    else this.#ask(this.#text);
  }

  get #text() {
    return this.#field.value.trim();
  }

  /** Whoever has typed another question wants that one, whatever is still being answered. */
  get #stops() {
    return this.#question.isRunning && (this.#text === '' || this.#text === this.#question.text);
  }

  #show() {
    // One button for both, so that the keyboard's focus stays where it is.
    this.#button.textContent = this.#stops ? 'Stop' : 'Ask';
  }
}
