import { announce, element, find, showProblem } from './dom.js';
import { ACCEPTED, expectWithin, listSamples, openPicture, openSample, sampleName, sampleUrl } from './pictures.js';
import { inPlainWords, PlainError } from './plain-words.js';

/** @typedef {import('./pictures.js').Picture} Picture */

/** Where pictures come from: samples, the file dialog, a drop anywhere, a paste. */
export class Intake {
  #samples = find(document, '#samples', HTMLElement);
  #file = find(document, '#file', HTMLInputElement);
  #own = find(document, '#own-name', HTMLElement);
  #problem = find(document, '#picture-problem', HTMLElement);
  #veil = find(document, '#drop-veil', HTMLElement);
  #take;
  #opening = 0;
  /**
   * That of the picture that is there; none for one of the person's own.
   *
   * @type {HTMLInputElement | undefined}
   */
  #chosen;
  /**
   * What the server takes, once that is known.
   *
   * @type {{ pixels: number, bytes: number } | undefined}
   */
  limits;
  /** Resolves once the picture that was chosen last is there, or cannot be opened. */
  settled = Promise.resolve();

  /** @param {(picture: Picture) => void} take */
  constructor(take) {
    this.#take = take;
    this.#file.accept = ACCEPTED.join(',');
    this.#file.addEventListener('change', () => {
      this.#openFile(this.#file.files?.[0]);
      // The same file may be chosen again.
      this.#file.value = '';
    });
    document.addEventListener('paste', (event) => {
      // Spreadsheets and word processors put a picture of the text beside it.
      if (isTextField(event.target) && event.clipboardData?.types.includes('text/plain')) return;
      const file = event.clipboardData?.files[0];
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
      radio.addEventListener('change', () => void this.#open(radio, () => openSample(sample)));
      const picture = document.createElement('img');
      picture.src = sampleUrl(sample);
      picture.alt = `Sample picture: ${sampleName(sample)}`;
      picture.width = picture.height = 64;
      return element('label', 'sample', radio, picture);
    });
    this.#samples.replaceChildren(...choices);
    const [first] = samples;
    if (!first) return;
    await this.#open(find(this.#samples, 'input', HTMLInputElement), () => openSample(first));
  }

  /** @param {File | undefined} file */
  #openFile(file) {
    if (file) void this.#open(undefined, () => openPicture(file, file.name));
  }

  /**
   * @param {HTMLInputElement | undefined} sample
   * @param {() => Promise<Picture>} open
   */
  #open(sample, open) {
    this.settled = this.#opened(sample, open);
    return this.settled;
  }

  /**
   * @param {HTMLInputElement | undefined} sample
   * @param {() => Promise<Picture>} open
   */
  async #opened(sample, open) {
    const opening = ++this.#opening;
    try {
      const picture = await open();
      if (this.limits) expectWithin(picture, this.limits);
      // Another was chosen meanwhile.
      if (opening !== this.#opening) return;
      this.#chosen = sample;
      this.#own.textContent = sample ? 'or drop or paste one anywhere' : picture.name;
      this.#take(picture);
      showProblem(this.#problem, undefined);
      announce(`Picture “${picture.name}” opened`);
    } catch (error) {
      if (opening !== this.#opening) return;
      showProblem(this.#problem, inPlainWords(error));
    }
    for (const radio of this.#samples.querySelectorAll('input')) radio.checked = radio === this.#chosen;
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

/** @param {EventTarget | null} target */
const isTextField = (target) => target instanceof HTMLInputElement && ['text', 'password'].includes(target.type);
