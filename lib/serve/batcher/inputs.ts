import { QAViTError } from '../../errors';

/** What a request brings. */
export type Input = 'image' | 'question';

const atFault = new WeakMap<QAViTError, Input>();

/** Notes for the failure of a step which of the two it worked on; the error itself stays the library's. */
export function failingAt(input: Input): (error: unknown) => never {
  return (error) => {
    if (error instanceof QAViTError) atFault.set(error, input);
    throw error;
  };
}

/** Which of the two an error is about, where it came up before they were put together. */
export function inputAtFault(error: QAViTError): Input | undefined {
  return atFault.get(error);
}
