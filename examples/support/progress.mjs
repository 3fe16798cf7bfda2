const WIDTH = 28;

/** A progress bar on a terminal; nothing elsewhere, so that logs stay short. */
export class Progress {
  #start = performance.now();
  #done = 0;
  #total;
  #out;

  constructor(total, out = process.stderr) {
    this.#total = total;
    this.#out = out;
    this.add(0);
  }

  add(count) {
    this.#done += count;
    if (!this.#out.isTTY) return;
    const filled = Math.round((WIDTH * this.#done) / Math.max(1, this.#total));
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    const seconds = (performance.now() - this.#start) / 1000;
    const rate = this.#done / Math.max(seconds, 1e-3);
    const left = this.#done > 0 ? `  ${Math.ceil((this.#total - this.#done) / rate)} s left` : '';
    this.#out.write(`\r\x1b[K${bar} ${this.#done} of ${this.#total}  ${rate.toFixed(1)} a second${left}`);
  }

  end() {
    if (this.#out.isTTY) this.#out.write('\r\x1b[K');
  }
}
