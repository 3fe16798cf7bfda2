import { expectedButFound } from '../../errors';
import { nameOf, PickleDict, type PickleValue, TorchTensor } from './pickle-values';

/** How far below the file's own dict a state dict is looked for. */
const MAX_DEPTH = 8;

/** Where training code keeps the model when it keeps other tensors beside it, the first that is there. */
const USUAL = ['model', 'state_dict', 'model_state_dict', 'module'];

export interface StateDict {
  /** Keys that lead to it; none where it is the file's own dict. */
  readonly at: readonly string[];
  readonly tensors: ReadonlyMap<string, TorchTensor>;
}

/**
 * The dict of tensors in what a file holds: the one at `at`, or else the least nested one. Of several at that depth it is the one
 * under a usual name (`model`, `state_dict`, `model_state_dict`, `module`); that one also counts before tensors beside it, such as a
 * loss.
 *
 * @throws QAViTError ERR_FORMAT where there is none, or several and none of a usual name; ERR_ARGUMENT where `at` leads nowhere
 */
export function findStateDict(root: PickleValue, at: readonly string[] | undefined, path: string): StateDict {
  if (at) return { at, tensors: tensorsOf(follow(root, at, path)) };
  const found = leastNested(root);
  const [only, ...others] = found;
  if (!only) throw expectedButFound('ERR_FORMAT', 'a dict of tensors by name', path, contents(root));
  if (others.length === 0) return usualWithin(only.at, root, path) ?? only;
  const usual = USUAL.map((name) => found.find((dict) => dict.at.at(-1) === name)).find(Boolean);
  if (usual) return usual;
  const names = found.slice(0, 8).map((dict) => dict.at.join('.'));
  throw expectedButFound('ERR_FORMAT', 'one dict of tensors, or to be told which', path, names.join(' and '));
}

function follow(root: PickleValue, at: readonly string[], path: string): PickleDict {
  let value: PickleValue | undefined = root;
  for (const key of at) value = value instanceof PickleDict ? value.entries.get(key) : undefined;
  if (value instanceof PickleDict) return value;
  throw expectedButFound('ERR_ARGUMENT', `a dict at ${at.join('.')}`, path, value ? nameOf(value) : contents(root));
}

/** Training code may keep a loss or a step as a tensor beside the model. */
function usualWithin(at: readonly string[], root: PickleValue, path: string): StateDict | undefined {
  const { entries } = follow(root, at, path);
  return USUAL.flatMap((name) => {
    const value = entries.get(name);
    return value instanceof PickleDict ? [{ at: [...at, name], tensors: tensorsOf(value) }] : [];
  }).find(({ tensors }) => tensors.size > 0);
}

/** Level by level, each dict once: a pickle may share them, or tie them to circles. */
function leastNested(root: PickleValue): StateDict[] {
  const seen = new Set<PickleValue>();
  let level: { at: readonly string[]; value: PickleValue }[] = [{ at: [], value: root }];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const dicts = level.flatMap(({ at, value }) => {
      if (!(value instanceof PickleDict) || seen.has(value)) return [];
      seen.add(value);
      return [{ at, value }];
    });
    const found = dicts
      .map(({ at, value }) => ({ at, tensors: tensorsOf(value) }))
      .filter(({ tensors }) => tensors.size > 0);
    if (found.length > 0) return found;
    level = dicts.flatMap(({ at, value }) =>
      [...value.entries].flatMap(([key, below]) =>
        typeof key === 'string' ? [{ at: [...at, key], value: below }] : [],
      ),
    );
  }
  return [];
}

function tensorsOf(dict: PickleDict): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  for (const [name, value] of dict.entries) {
    if (typeof name === 'string' && value instanceof TorchTensor) tensors.set(name, value);
  }
  return tensors;
}

function contents(value: PickleValue): string {
  if (!(value instanceof PickleDict)) return nameOf(value);
  const keys = [...value.entries.keys()].slice(0, 8).map(nameOf);
  return keys.length === 0 ? 'an empty dict' : `a dict of ${keys.join(', ')}`;
}
