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
    if (field.value.trim() !== '') dialog.close(field.value.trim());
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
