import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../support/paths';

/** A module of the page that needs no browser, as Node loads it. */
export function pageModule<T>(name: string): Promise<T> {
  return import(pathToFileURL(path.join(root, 'assets', 'page', name)).href) as Promise<T>;
}
