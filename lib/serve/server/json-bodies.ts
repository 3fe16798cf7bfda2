import type { FastifyInstance } from 'fastify';
import { RequestError } from '../request-error';

/** Lets JSON be all that is taken, and says which of it is refused though it is valid. */
export function takeJsonAlone(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) =>
    parse(request, body, (error, value) => done(error && (forbiddenNames(body) ?? error), value)),
  );
}

/** JSON that only the framework refuses holds a name by which objects are changed behind their owners' backs. */
function forbiddenNames(body: string): RequestError | undefined {
  try {
    JSON.parse(body);
  } catch {
    return undefined;
  }
  return new RequestError(400, 'forbidden_name', 'Expected a body without __proto__ and constructor.prototype');
}
