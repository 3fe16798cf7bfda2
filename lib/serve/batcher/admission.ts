import { expectedButFound, type QAViTError } from '../../errors';

/** What the newest request counts in the mean of how long requests take. */
const NEWEST = 0.1;
const MAX_RETRY_SECONDS = 60;

/** Who is let in: so many requests at a time, and how long those take. */
export class Admission {
  private pending = 0;
  private meanMs = 0;

  /** @param makeRoom refuses a waiting request of a client that has more of them than this one, if there is such a client */
  constructor(
    private readonly most: number,
    private readonly makeRoom: (client: string, busy: QAViTError) => boolean,
  ) {}

  get requests(): number {
    return this.pending;
  }

  /** Whole seconds after which to try again: about as long as requests took of late. */
  get retryAfterSeconds(): number {
    return Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(this.meanMs / 1000)));
  }

  /**
   * @returns what counts it out; calling it again does nothing
   * @throws QAViTError ERR_BUSY
   */
  enter(client: string): (tookMs: number) => void {
    if (this.pending >= this.most) {
      const busy = expectedButFound('ERR_BUSY', `at most ${this.most} requests at once`, 'Batcher', 'one more');
      if (!this.makeRoom(client, busy)) throw busy;
    }
    this.pending += 1;
    let isIn = true;
    return (tookMs) => {
      if (!isIn) return;
      isIn = false;
      this.pending -= 1;
      this.meanMs += (tookMs - this.meanMs) * NEWEST;
    };
  }
}
