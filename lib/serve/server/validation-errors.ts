import type { FastifyError } from 'fastify';

/** What the validator found, as far as it is read here. */
type Invalid = Pick<
  NonNullable<FastifyError['validation']>[number],
  'keyword' | 'instancePath' | 'params' | 'message'
> & {
  parentSchema?: { oneOf?: { properties: Record<string, { const?: unknown }> }[] };
};

export interface InvalidField {
  /** One sentence. */
  message: string;
  /** The field that is wrong, as a client writes it. */
  param: string | null;
}

/**
 * What is wrong with a request by its schema. Of alternatives the one that got furthest is what the client meant; where several fail at the
 * same field, it may be made right by any of them.
 */
export function invalidField(errors: readonly Invalid[]): InvalidField {
  const found = errors.filter(({ keyword }) => keyword !== 'anyOf' && keyword !== 'oneOf').map(located);
  const deepest = Math.max(...found.map(({ depth }) => depth));
  const meant = found.filter(({ depth }) => depth === deepest);
  const [first] = meant;
  const clauses = [...new Set(meant.map(({ clause }) => clause))].join(' or ');
  return {
    message: `Expected a valid request, but ${pathOf(first?.pointer) ?? 'its body'} ${clauses}`,
    param: pathOf(first?.param),
  };
}

function located({ keyword, instancePath, params, message = 'is wrong', parentSchema }: Invalid) {
  const { tag, missingProperty, additionalProperty } = params;
  const depth = instancePath.split('/').length;
  if (keyword === 'discriminator') {
    const pointer = `${instancePath}/${String(tag)}`;
    const allowed = parentSchema?.oneOf?.map(({ properties }) => properties[String(tag)]?.const) ?? [];
    return { depth, pointer, param: pointer, clause: `must be equal to one of the allowed values${listed(allowed)}` };
  }
  const last = [additionalProperty, missingProperty].find((name) => typeof name === 'string');
  const param = last === undefined ? instancePath : `${instancePath}/${last.slice(0, 80)}`;
  return { depth, pointer: instancePath, param, clause: `${message}${detailOf(params)}` };
}

/** What the validator knows and does not say: which field is one too many, which values there are. */
function detailOf({ additionalProperty, allowedValues, allowedValue }: Invalid['params']): string {
  if (typeof additionalProperty === 'string') return listed([additionalProperty.slice(0, 80)]);
  if (Array.isArray(allowedValues)) return listed(allowedValues);
  return allowedValue === undefined ? '' : listed([allowedValue]);
}

function listed(values: readonly unknown[]): string {
  return ` (${values.map((value) => JSON.stringify(value)).join(', ')})`;
}

/** `/messages/0/content` as `messages[0].content` */
function pathOf(pointer: string | undefined): string | null {
  if (!pointer) return null;
  return pointer
    .slice(1)
    .replace(/\/(\d+)(?=\/|$)/g, '[$1]')
    .replaceAll('/', '.');
}
