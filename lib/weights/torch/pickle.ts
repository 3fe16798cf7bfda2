import { PickleBytes } from './pickle-bytes';
import { PickleMachine } from './pickle-machine';
import { OPERATIONS } from './pickle-opcodes';
import type { PickleValue } from './pickle-values';

const STOP = 0x2e;

/** A tensor takes about 45 opcodes: far above any checkpoint, and what they can build stays within some hundred MB. */
const MAX_OPCODES = 2 ** 22;

export interface Unpickled {
  readonly value: PickleValue;
  /** Names of classes and functions that are not on the allow-list, once each. */
  readonly skipped: readonly string[];
}

/**
 * Reads a pickle as data: nothing it names is imported or called (see PickleMachine).
 *
 * @param path of the file, for messages
 * @throws QAViTError ERR_FORMAT where it is damaged, ERR_UNSUPPORTED where it needs more than a file of tensors does
 */
export function unpickle(pickle: Buffer, path: string): Unpickled {
  const bytes = new PickleBytes(pickle, path);
  const machine = new PickleMachine(bytes);
  for (let count = 0; count < MAX_OPCODES; count++) {
    const opcode = bytes.u8();
    if (opcode === STOP) return { value: machine.pop(), skipped: [...machine.skipped].sort() };
    const operation = OPERATIONS.get(opcode);
    if (!operation) throw bytes.error('ERR_UNSUPPORTED', 'an opcode of torch.save', `0x${opcode.toString(16)}`);
    operation(machine);
  }
  throw bytes.error('ERR_UNSUPPORTED', `at most ${MAX_OPCODES} opcodes`, 'more');
}
