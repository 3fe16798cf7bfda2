import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Where a Chromium may be: CHROMIUM names one, which must then exist; else where Debian installs it. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Chromium's sandbox refuses to run as root, which containers and CI often are.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

/** A page and what it did that no page of ours may do. */
export interface Visit {
  page: Page;
  /** Fails if anything was written to the console as an error, thrown, or asked of another origin. */
  expectClean: (ignored?: RegExp) => void;
}

export interface Visitor {
  /** Resolves once `ready` is there. */
  visit: (url: string, options?: BrowserContextOptions, ready?: string) => Promise<Visit>;
}

/** Call inside `describe`: one Chromium for the block. Without one the block is skipped, and says so. */
export function withChromium(): Visitor {
  let browser: Browser | undefined;
  before(async function () {
    if (!process.env.CHROMIUM && !existsSync(executablePath)) {
      console.warn(
        `SKIPPED ${this.test?.parent?.title ?? ''}: no Chromium at ${executablePath}; CHROMIUM=... names another`,
      );
      return this.skip();
    }
    browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  });
  afterEach(() => Promise.all((browser?.contexts() ?? []).map((context) => context.close())));
  after(() => browser?.close());

  return {
    async visit(url, options, ready = 'html[data-ready]') {
      const context = await browser!.newContext({ viewport: { width: 1280, height: 900 }, ...options });
      const page = await context.newPage();
      const faults: string[] = [];
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) faults.push(message.text());
      });
      page.on('pageerror', ({ message }) => faults.push(message));
      page.on('request', (request) => {
        const { origin, protocol } = new URL(request.url());
        if (protocol !== 'data:' && protocol !== 'blob:' && origin !== new URL(url).origin) faults.push(request.url());
      });
      page.setDefaultTimeout(30_000);
      await page.goto(url);
      await page.waitForSelector(ready);
      const expectClean = (ignored = /^$/): void => {
        expect(faults.filter((fault) => !ignored.test(fault))).to.deep.equal([]);
      };
      return { page, expectClean };
    },
  };
}
