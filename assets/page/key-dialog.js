import { canBeSent } from './api.js';

/**
 * Asks for the API key.
 *
 * @param {HTMLDialogElement} dialog with a form that has a field `key`
 * @returns {(rejected: boolean) => Promise<string | null>} null where the person declines
 */
export function keyDialog(dialog) {
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector('form'));
  const field = /** @type {HTMLInputElement} */ (form.elements.namedItem('key'));
  const note = /** @type {HTMLElement} */ (dialog.querySelector('.key-note'));
  const decline = /** @type {HTMLButtonElement} */ (dialog.querySelector('.key-decline'));
  decline.addEventListener('click', () => dialog.close(''));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const key = field.value.trim();
    if (canBeSent(key)) return dialog.close(key);
    note.textContent = 'This cannot be a key: keys hold letters from A to Z, digits and signs, but no spaces.';
    field.focus();
  });

  return (rejected) =>
    new Promise((resolve) => {
      note.textContent = rejected ? 'The server did not accept the last one.' : '';
      const closed = () => {
        resolve(dialog.returnValue || null);
        // Neither field nor dialog keeps the key.
        field.value = '';
        dialog.returnValue = '';
      };
      dialog.addEventListener('close', closed, { once: true });
      dialog.showModal();
      field.focus();
    });
}
