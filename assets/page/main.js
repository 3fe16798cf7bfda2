import { Api } from './api.js';
import { connectAppearance } from './appearance.js';
import { element, find, showProblem } from './dom.js';
import { Intake } from './intake.js';
import { keyDialog } from './key-dialog.js';
import { inPlainWords } from './plain-words.js';
import { Question } from './question.js';
import { QuestionForm, SUGGESTIONS } from './question-form.js';
import { speakOf } from './spoken.js';
import { Stage } from './stage.js';
import { TokenBudget } from './token-budget.js';

/** @typedef {import('./api.js').Model} Model */

const LETTERS = /** @type {const} */ (['A', 'B']);
/** What takes longer is not there at once to a person, who then wants to know why. */
const PATIENCE_MS = 500;

const api = new Api(keyDialog(find(document, '#key-dialog', HTMLDialogElement)));
const stage = new Stage();
const budget = new TokenBudget();
const forms = find(document, '#forms', HTMLElement);
const compare = find(document, '#compare', HTMLButtonElement);
const modelProblem = find(document, '#model-problem', HTMLElement);

/** @type {{ question: Question, form: QuestionForm }[]} */
const asked = [];
/** @type {Model | undefined} */
let model;
/** @type {import('./pictures.js').Picture | undefined} */
let picture;
/** @type {import('./question.js').Scene | undefined} */
let scene;

/**
 * @param {Question} question
 * @param {string} text
 * @param {{ reveal: boolean }} options whether to bring its figure into sight: not for those who are busy elsewhere on the page
 */
async function ask(question, text, { reveal }) {
  // The picture that was chosen last is meant, though it may still be opening.
  await intake.settled;
  const isThere = asked.some((each) => each.question === question);
  if (!isThere || !scene) return;
  if (reveal) stage.reveal(question);
  await question.ask(text, scene, budget.count);
}

/** Another question beside the first. */
function addQuestion() {
  const letter = LETTERS[asked.length];
  if (!letter) return undefined;
  const question = new Question();
  const form = new QuestionForm(letter, question, (text) => void ask(question, text, { reveal: true }));
  speakOf(question, letter);
  asked.push({ question, form });
  forms.append(form.element);
  stage.add(question, letter);
  form.removeButton.hidden = asked.length === 1;
  form.removeButton.addEventListener('click', removeSecond);
  compare.hidden = asked.length === LETTERS.length;
  update();
  return form;
}

function removeSecond() {
  const second = asked.pop();
  if (!second) return;
  second.question.reset();
  second.form.element.remove();
  stage.remove(second.question);
  compare.hidden = false;
  compare.focus();
}

/** What can be asked, and suggestions, follow the picture and the model. */
function update() {
  const questions = picture?.questions ?? [];
  const can = model !== undefined && (model.qavit.canAnswer || model.qavit.readsQuestions) && picture !== undefined;
  asked.forEach(({ form }, i) => {
    form.allow(can);
    // The second question is offered others than the first.
    form.suggest(can ? questions.slice(i * SUGGESTIONS) : []);
  });
}

function setScene() {
  update();
  scene = model && picture && { api, model, picture };
  if (scene) stage.setScene(scene);
  else if (picture) stage.showPicture(picture);
}

/** @param {Model} chosen */
function useModel(chosen) {
  model = chosen;
  intake.limits = chosen.qavit.limits;
  const { image, maxPatches, patch, grid, layers, fusedLayers, dtype, device, canAnswer, readsQuestions } =
    chosen.qavit;
  const fused =
    fusedLayers.length > 0 ? `question in layers ${ranges(fusedLayers)} of ${layers}` : `${layers} layers, no adapter`;
  find(document, '#model-facts', HTMLElement).textContent = [
    ...(maxPatches === null
      ? [`${image.width} × ${image.height} pixels`, `${grid.columns} × ${grid.rows} patches of ${patch}`]
      : [`pictures in their own shapes, up to ${maxPatches} patches of ${patch}`]),
    fused,
    `${dtype} on ${device}`,
  ].join(' · ');
  const can = readsQuestions
    ? 'what a question changes, but not answer it'
    : 'what the plain ViT sees, but read no question';
  const mute = { message: `This model has no language model: it can show ${can}.`, detail: '' };
  showProblem(modelProblem, canAnswer ? undefined : mute);
  stage.lens.configure(chosen.qavit);
  budget.configure(chosen.qavit);
  stage.outline(budget.count);
  setScene();
}

/**
 * `2–4, 7`
 *
 * @param {number[]} numbers
 */
function ranges(numbers) {
  /** @type {[number, number][]} */
  const runs = [];
  for (const n of numbers) {
    const last = runs.at(-1);
    if (last && last[1] === n - 1) last[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`)).join(', ');
}

async function loadModels() {
  const select = find(document, '#model', HTMLSelectElement);
  const waiting = find(document, '#waiting', HTMLElement);
  const slow = setTimeout(() => (waiting.textContent = 'Waiting for the server…'), PATIENCE_MS);
  try {
    const models = await api.models();
    select.replaceChildren(...models.map(({ id }) => new Option(id, id)));
    select.addEventListener('change', () => {
      const chosen = models.find(({ id }) => id === select.value);
      if (chosen) useModel(chosen);
    });
    const [first] = models;
    if (first) useModel(first);
  } catch (error) {
    showProblem(modelProblem, inPlainWords(error));
    const again = element('button', 'quiet', 'Try again');
    again.addEventListener('click', () => {
      showProblem(modelProblem, undefined);
      void loadModels();
    });
    modelProblem.append(again);
  } finally {
    clearTimeout(slow);
    waiting.textContent = '';
  }
}

connectAppearance(find(document, '#appearance', HTMLButtonElement));
compare.addEventListener('click', () => addQuestion()?.focus());
budget.addEventListener('input', () => stage.outline(budget.count));
budget.addEventListener('change', () => {
  for (const { question } of asked) if (question.phase !== 'idle') void ask(question, question.text, { reveal: false });
});
addQuestion();
const intake = new Intake((taken) => {
  const before = picture;
  picture = taken;
  setScene();
  before?.bitmap.close();
});
await Promise.all([loadModels(), intake.start()]);
document.documentElement.dataset.ready = '';
