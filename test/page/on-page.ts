import path from 'node:path';
import type { BrowserContextOptions, Page, Route } from 'playwright-core';
import { root } from '../support/paths';
import { type Visit, withChromium } from './chromium';
import { StandIn } from './stand-in';

export const SHAPES = path.join(root, 'models', 'demo', 'samples', 'shapes.png');
export const DONE = '.figure[data-phase=done]';
export const BOTH_DONE = `${DONE} ~ ${DONE}`;

export const textOf = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();

/** What was said last to those who do not see the page, oldest first. */
export const spoken = (page: Page): Promise<string[]> => page.locator('#spoken p').allTextContents();

/** Whether a request for an answer is the question's own, and not the plain ViT's to compare with. */
export const isHearing = (route: Route): boolean =>
  (route.request().postDataJSON() as { qavit: { question_aware: boolean } }).qavit.question_aware;

/** Waits for a condition in the page; its policy forbids what the driver would do for that by itself. */
export async function until(page: Page, condition: string): Promise<void> {
  const end = Date.now() + 30_000;
  while (!(await page.evaluate(`Boolean(${condition})`))) {
    if (Date.now() > end) throw new Error(`Expected ${condition}`);
    await page.waitForTimeout(20);
  }
}

export async function ask(page: Page, letter: 'a' | 'b', question: string): Promise<void> {
  await page.fill(`#question-${letter}`, question);
  await page.press(`#question-${letter}`, 'Enter');
}

export interface Standing {
  /** The stand-in of the test that runs. */
  readonly server: StandIn;
  /** The page on it, once `ready` is there. */
  open: (options?: BrowserContextOptions, ready?: string) => Promise<Visit>;
}

/** Call inside `describe`: a browser for the block, and a stand-in of its own for each test. */
export function withStandIn(): Standing {
  const { visit } = withChromium();
  let server: StandIn;
  let url: string;
  beforeEach(async () => {
    server = new StandIn();
    url = await server.listen();
  });
  afterEach(() => server.close());
  return {
    get server() {
      return server;
    },
    open: (options, ready) => visit(url, options, ready),
  };
}
