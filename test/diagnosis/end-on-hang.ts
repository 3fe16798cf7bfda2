/** For mocha's --require, on a GPU: a kernel that hangs holds up every test behind it, so that the first one that does ends the process. */
import type { Context } from 'mocha';

export const mochaHooks = {
  afterEach(this: Context): void {
    const test = this.currentTest;
    if (!test?.timedOut) return;
    console.error(`HANGS: ${test.fullTitle()}`);
    // Not process.exit(): that waits for the device's thread, which is what hangs.
    process.kill(process.pid, 'SIGKILL');
  },
};
