const ITEM = 'qavit.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === 'dark' : system.matches;
}

/**
 * The button that turns light to dark and back. Until it is used, and again when a choice equals the system's, the page follows the system.
 *
 * @param {HTMLButtonElement} button
 */
export function connectAppearance(button) {
  const show = () => {
    button.textContent = isDark() ? 'Light' : 'Dark';
    button.setAttribute('aria-label', isDark() ? 'Switch to light colours' : 'Switch to dark colours');
  };
  button.addEventListener('click', () => {
    const chosen = isDark() ? 'light' : 'dark';
    const follows = (chosen === 'dark') === system.matches;
    if (follows) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    remember(follows ? null : chosen);
    show();
  });
  system.addEventListener('change', show);
  show();
}

/** @param {string | null} theme */
function remember(theme) {
  try {
    if (theme === null) localStorage.removeItem(ITEM);
    else localStorage.setItem(ITEM, theme);
  } catch {
    // Storage may be switched off; the choice then lasts as long as the page.
  }
}
