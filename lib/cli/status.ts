import { printable } from './output';

const FRAMES = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'];
const FRAME_MS = 80;
const ERASE_LINE = '\r\u001b[K';

/** What is going on, on one line of a terminal's standard error. Elsewhere, and with --quiet, it says nothing. */
export class Status implements Disposable {
  private readonly enabled: boolean;
  private timer: NodeJS.Timeout | undefined;
  private text = '';

  constructor({ quiet = false }: { quiet?: boolean } = {}) {
    this.enabled = !quiet && process.stderr.isTTY && process.env.TERM !== 'dumb';
  }

  /** Shows `text` with a turning mark until the next call. */
  show(text: string): void {
    this.text = printable(text);
    if (!this.enabled || this.timer !== undefined) return;
    let frame = 0;
    const draw = (): void => {
      // A line that is wrapped could not be erased.
      const line = `${FRAMES[frame++ % FRAMES.length] ?? ''} ${this.text}`.slice(0, (process.stderr.columns || 80) - 1);
      process.stderr.write(`${ERASE_LINE}${line}`);
    };
    draw();
    this.timer = setInterval(draw, FRAME_MS).unref();
  }

  /** Removes what is shown, before anything else is written. */
  clear(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    this.timer = undefined;
    process.stderr.write(ERASE_LINE);
  }

  /** A line that stays. */
  note(text: string): void {
    this.clear();
    if (this.enabled) process.stderr.write(`${text}\n`);
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
