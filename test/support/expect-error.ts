import { expect } from 'chai';
import { QAViTError, type QAViTErrorCode } from '../../lib/errors';

function check(error: unknown, code: QAViTErrorCode, message: string | RegExp): void {
  expect(error).to.be.instanceOf(QAViTError);
  const actual = error as QAViTError;
  expect(`${actual.code}: ${actual.message}`).to.match(new RegExp(`^${code}: `));
  if (typeof message === 'string') expect(actual.message).to.equal(message);
  else expect(actual.message).to.match(message);
}

/** Holds that `action` throws a QAViTError with this code and message. */
export function expectThrow(
  action: () => unknown,
  code: QAViTErrorCode,
  message: string | RegExp = /^Expected .* but received /,
): void {
  let result: unknown;
  try {
    result = action();
  } catch (error) {
    return check(error, code, message);
  }
  expect.fail(`no error, but ${String(result)}`);
}

/** Holds that `promise` rejects with a QAViTError with this code and message. */
export async function expectRejection(
  promise: Promise<unknown>,
  code: QAViTErrorCode,
  message: string | RegExp = /^Expected .* but received /,
): Promise<void> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    return check(error, code, message);
  }
  expect.fail(`no error, but ${String(result)}`);
}
