/** Every rule of native/core/validate.cpp. */
import { attentions } from './attentions';
import { products } from './products';
import { rows } from './rows';
import type { RuledOperation } from './rule';

export { B, C, M, type Operation, type Parameter } from './rule';

/** Each operation in a form that holds, and every way to break it. */
export const operations: RuledOperation[] = [...products, ...attentions, ...rows];
