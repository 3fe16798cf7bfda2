import type { Page } from 'playwright-core';

/**
 * Runs in the page. What an accessibility checker looks for first: controls without a name, text below AA's contrast on the nearest ground
 * that has a colour, targets smaller than 24 pixels, ids used twice, roles and labels that point nowhere.
 */
const AUDIT = `(() => {
  // Colours on their way from one to another are neither.
  for (const animation of document.getAnimations()) if (animation instanceof CSSTransition) animation.finish();
  const faults = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const nameOf = (element) => {
    const labels = [...(element.labels ?? [])].map((label) => [label.textContent, ...[...label.querySelectorAll('img')].map((img) => img.alt)].join(' '));
    return (element.getAttribute('aria-label') || labels.join(' ') || element.textContent || '').trim();
  };
  for (const element of document.querySelectorAll('button, input, select, [tabindex="0"]')) {
    if (element.type !== 'file' && element.type !== 'radio' && !shown(element)) continue;
    if (nameOf(element) === '') faults.push('no name: ' + element.outerHTML.slice(0, 120));
    const box = (element.type === 'radio' || element.type === 'file' ? element.labels[0] : element).getBoundingClientRect();
    if (box.height < 24 || box.width < 24) faults.push('target of ' + box.width + ' x ' + box.height + ': ' + element.outerHTML.slice(0, 120));
  }
  for (const img of document.querySelectorAll('img')) if (!img.alt) faults.push('no alt: ' + img.src);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !shown(element) || element.closest('.visually-hidden, .skip, select, template, script')) continue;
    if (element.closest('button')?.disabled || element.parentElement.querySelector(':scope > input:disabled')) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const ratio = contrast(rgba(style.color), groundOf(element));
    if (ratio < least) faults.push('contrast ' + ratio.toFixed(2) + ': ' + node.data.trim().slice(0, 60));
  }
  if (texts < 10) faults.push('only ' + texts + ' texts were looked at');
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  faults.push(...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => 'id twice: ' + id));
  for (const name of ['for', 'aria-labelledby', 'aria-describedby']) {
    for (const element of document.querySelectorAll('[' + name + ']')) {
      for (const id of element.getAttribute(name).split(' ')) if (!document.getElementById(id)) faults.push(name + ' points nowhere: ' + id);
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push('wider than the window: ' + document.documentElement.scrollWidth);
  return faults;
})()`;

export function audit(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(AUDIT);
}
