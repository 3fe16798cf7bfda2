import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { packageVersion } from '../../package-root';

/** Makes a description of all routes that are registered after it; they are checked by the very schemas it shows. */
export async function describeRoutes(app: FastifyInstance, withKeys: boolean): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'qavit',
        version: packageVersion(),
        description: 'Pictures and questions: answers in OpenAI’s form, visual tokens, and where a question looks.',
        license: { name: 'Apache-2.0' },
      },
      ...(withKeys && {
        components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
        security: [{ key: [] }],
      }),
    },
  });
}

export function openApiRoute(app: FastifyInstance): void {
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}
