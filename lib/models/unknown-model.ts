import { expected, expectedButFound, type QAViTError } from '../errors';

/** What to do about models that are known in another form. */
const OTHERWISE: Readonly<Record<string, string>> = {
  internvl_chat: 'in code of its own; transformers has the same model in the repository whose name ends in -hf',
  intern_vit_6b: 'in code of its own; InternViT-300M is in the repositories of InternVL whose names end in -hf',
};

/** For a config.json with a model_type that is none of those that would do. */
export function unknownModel(what: string, where: string, type: unknown): QAViTError {
  if (typeof type !== 'string' || !Object.hasOwn(OTHERWISE, type))
    return expected('ERR_UNSUPPORTED', what, where, type);
  return expectedButFound('ERR_UNSUPPORTED', what, where, `"${type}" (${OTHERWISE[type]})`);
}
