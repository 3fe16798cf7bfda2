// Runs before the first paint, so that a page chosen to be dark never flashes white. A classic script: modules wait for the document.
try {
  const chosen = localStorage.getItem('qavit.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be switched off; the system's choice is then the only one.
}
