import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { expected } from '../../errors';

const BEARER = /^Bearer +([^\s]+) *$/i;

/** Whether a header can carry it. */
export function isKey(key: unknown): boolean {
  return typeof key === 'string' && /^[\x21-\x7e]{1,512}$/.test(key);
}

/** Keys that let clients in. Kept and compared as digests, so that how long a comparison takes tells nothing about a key. */
export class ApiKeys {
  /** Makes the digests useless outside this process. */
  private readonly salt = randomBytes(32);
  private readonly digests: readonly Buffer[];

  /** @throws QAViTError ERR_ARGUMENT for a key that no header can carry; the message does not repeat it */
  constructor(keys: readonly string[]) {
    this.digests = keys.map((key, i) => {
      if (isKey(key)) return this.digest(key);
      throw expected('ERR_ARGUMENT', '1 to 512 visible ASCII characters', `apiKeys[${i}]`, typeof key);
    });
  }

  get required(): boolean {
    return this.digests.length > 0;
  }

  /** Which key an Authorization header holds, by number; undefined if none. */
  holder(authorization: string | undefined): number | undefined {
    const given = BEARER.exec(authorization ?? '')?.[1];
    if (given === undefined) return undefined;
    const digest = this.digest(given);
    // All are compared, whichever fits.
    const fits = this.digests.map((key) => timingSafeEqual(key, digest));
    const at = fits.indexOf(true);
    return at < 0 ? undefined : at;
  }

  private digest(key: string): Buffer {
    return createHmac('sha256', this.salt).update(key).digest();
  }
}
