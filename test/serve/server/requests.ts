import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import type { ToldJson } from '../../../lib/serve/server/told';
import { root } from '../../support/paths';

/** A sample picture of the demo model. */
export function sample(name: string): Buffer {
  return readFileSync(path.join(root, 'models', 'demo', 'samples', `${name}.png`));
}

export function dataUrl(name: string): string {
  return `data:image/png;base64,${sample(name).toString('base64')}`;
}

/** What a body may hold, whichever route it is of; what a test reads has to be there. */
export interface Body {
  object: string;
  choices: { index: number; message: { role: string; content: string }; finish_reason: string }[];
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  shape: number[];
  dtype: string;
  data: string;
  key: string;
  question_tokens: number;
  grid: { rows: number; columns: number };
  layers: { layer: number; gate: number; map: number[] }[];
  difference: number[];
  qavit: ToldJson;
  error: { message: string; type: string; param: string | null; code: string | null };
}

export interface Posted {
  statusCode: number;
  headers: LightMyRequestResponse['headers'];
  body: Body;
}

/** Sends a body without a socket. */
export async function post(
  app: FastifyInstance,
  url: string,
  payload: object | string,
  headers: Record<string, string> = {},
): Promise<Posted> {
  const type = { 'content-type': 'application/json' };
  const reply = await app.inject({ method: 'POST', url, payload, headers: { ...type, ...headers } });
  return { statusCode: reply.statusCode, headers: reply.headers, body: reply.json<Body>() };
}
