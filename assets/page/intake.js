import { element, find, showProblem } from './dom.js';
import { ACCEPTED, listSamples, openPicture, openSample, sampleName, sampleUrl } from './pictures.js';
import { inPlainWords, PlainError } from './plain-words.js';

/** Where pictures come from: samples, the file dialog, a drop anywhere, a paste. */
export class Intake {
  #samples = find(document, '#samples', HTMLElement);
  #file = find(document, '#file', HTMLInputElement);
  #own = find(document, '#own-name', HTMLElement);
  #problem = find(document, '#picture-problem', HTMLElement);
  #veil = find(document, '#drop-veil', HTMLElement);
  #take;
  #opening = 0;
  /** Resolves once the picture that was chosen last is there, or cannot be opened. */
  settled = Promise.resolve();

  /** @param {(picture: import('./pictures.js').Picture) => void} take */
  constructor(take) {
    this.#take = take;
    this.#file.accept = ACCEPTED.join(',');
    this.#file.addEventListener('change', () => {
      this.#openFile(this.#file.files?.[0]);
      // The same file may be chosen again.
      this.#file.value = '';
    });
    document.addEventListener('paste', (event) => {
      const file = [...(event.clipboardData?.files ?? [])][0];
      if (file) event.preventDefault();
      this.#openFile(file);
    });
    this.#acceptDrops();
  }

  /** Offers the samples and opens the first, so that there is something to ask about at once. */
  async start() {
    const samples = await listSamples().catch((error) => {
      showProblem(this.#problem, inPlainWords(error));
      return [];
    });
    const choices = samples.map((sample) => {
      const radio = document.createElement('input');
      radio.type = 'radio';
      radio.name = 'sample';
      radio.value = sample.image;
      radio.className = 'visually-hidden';
      radio.addEventListener('change', () => void this.#open('', () => openSample(sample)));
      const picture = document.createElement('img');
      picture.src = sampleUrl(sample);
      picture.alt = `Sample picture: ${sampleName(sample)}`;
      picture.width = picture.height = 64;
      return element('label', 'sample', radio, picture);
    });
    this.#samples.replaceChildren(...choices);
    const [first] = samples;
    if (!first) return;
    find(this.#samples, 'input', HTMLInputElement).checked = true;
    await this.#open('', () => openSample(first));
  }

  /** @param {File | undefined} file */
  #openFile(file) {
    if (file) void this.#open(file.name, () => openPicture(file, file.name));
  }

  /**
   * @param {string} ownName of a picture that is no sample
   * @param {() => Promise<import('./pictures.js').Picture>} open
   */
  #open(ownName, open) {
    this.settled = this.#opened(ownName, open);
    return this.settled;
  }

  /**
   * @param {string} ownName
   * @param {() => Promise<import('./pictures.js').Picture>} open
   */
  async #opened(ownName, open) {
    const opening = ++this.#opening;
    try {
      const picture = await open();
      if (opening !== this.#opening) return;
      showProblem(this.#problem, undefined);
      this.#own.textContent = ownName || 'or drop or paste one anywhere';
      if (ownName) this.#samples.querySelectorAll('input').forEach((radio) => (radio.checked = false));
      this.#take(picture);
    } catch (error) {
      showProblem(this.#problem, inPlainWords(error));
    }
  }

  #acceptDrops() {
    // Entering a child fires `dragleave` on its parent, so the veil goes by what the pointer was last over.
    /** @param {DragEvent} event */
    const hasFiles = (event) => event.dataTransfer?.types.includes('Files') ?? false;
    document.addEventListener('dragover', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.#veil.hidden = false;
    });
    document.addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) this.#veil.hidden = true;
    });
    document.addEventListener('drop', (event) => {
      this.#veil.hidden = true;
      if (!hasFiles(event)) return;
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) this.#openFile(file);
      else showProblem(this.#problem, inPlainWords(new PlainError('That was no picture.')));
    });
  }
}
