import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../context';
import { modelsSchema, oneModelSchema } from '../schemas/models';
import { findModel } from '../served-model';

export function modelRoutes(app: FastifyInstance, { models }: ServerContext): void {
  app.get('/v1/models', { schema: modelsSchema }, () => ({
    object: 'list',
    data: [...models.values()].map((model) => model.describe()),
  }));

  app.get<{ Params: { model: string } }>('/v1/models/:model', { schema: oneModelSchema }, ({ params }) =>
    findModel(models, params.model).describe(),
  );
}
