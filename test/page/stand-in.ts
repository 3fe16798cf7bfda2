import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { registerPage } from '../../lib/serve/page';

interface ChatBody {
  messages: { content: { type: string; text?: string }[] }[];
  qavit: { question_aware: boolean; visual_tokens?: number | 'all' };
}

/** What a request is refused with, by path. */
export interface Refusal {
  status: number;
  message: string;
  headers?: Record<string, string>;
}

export const GRID = { rows: 8, columns: 8 };
export const FUSED = [2, 3, 4];
const PATCHES = GRID.rows * GRID.columns;
const WIDTH = 4;

const FACTS = {
  image: {
    width: 64,
    height: 64,
    resize: { kind: 'shortest-edge', shortest: 64 },
    crop: { width: 64, height: 64 },
  },
  maxPatches: null,
  patch: 8,
  grid: GRID,
  visualTokens: 65,
  tiles: 0,
  allTokens: 65,
  selectsTokens: true,
  layers: 5,
  fusedLayers: FUSED,
  gates: [0.99, -0.95, -0.51],
  dtype: 'bf16',
  device: 'cpu',
  canAnswer: true,
  readsQuestions: true,
  limits: { pixels: 1_500_000, bytes: 1_000_000 },
};

const TIMINGS = { queued_ms: 1, decode_ms: 2, listen_ms: 3, encode_ms: 4, first_token_ms: 20, total_ms: 50 };

/** Patch p of layer l: known numbers, so that a test can tell which one is shown. */
export const shareOf = (layer: number, patch: number): number => layer / 10 + patch / 1000;

/** Patches 9, 10 and 18 are rated highest, then comes the class token. */
export const ratingOf = (patch: number): number => ({ 9: 4, 10: 3, 18: 2 })[patch] ?? -patch;

/** A server with the API's form, the page's files, and answers that a test chooses; for what a real model cannot be made to do. */
export class StandIn {
  facts: Record<string, unknown> = { ...FACTS };
  key: string | undefined;
  refusals: Record<string, Refusal> = {};
  /** Holds back what models there are. */
  loading: Promise<void> = Promise.resolve();
  /** Pieces of every answer; the plain ViT's is the first of them. */
  answer = ['forty', '-two'];
  /** Holds the second piece of an answer back. */
  held: Promise<void> = Promise.resolve();
  /** What comes in place of an answer's second piece: an error as an event, or the connection's end. */
  breaks: 'with an event' | 'off' | undefined;
  requests: { path: string; body: Record<string, unknown> }[] = [];
  /** Answers whose reader went away before their end. */
  abandoned = 0;
  private readonly app: FastifyInstance = Fastify({ bodyLimit: 2 ** 24 });

  async listen(): Promise<string> {
    const { app } = this;
    registerPage(app);
    app.addHook('preHandler', (request, reply, done) => {
      const refused = request.url.startsWith('/v1/') && this.refusalOf(request);
      if (!refused) return done();
      const error = { message: refused.message, type: 'error', param: null, code: null };
      void reply
        .headers(refused.headers ?? {})
        .code(refused.status)
        .send({ error });
    });
    app.get('/v1/models', async () => {
      await this.loading;
      return { object: 'list', data: [{ id: 'demo', object: 'model', qavit: this.facts }] };
    });
    app.post('/v1/chat/completions', (request, reply) => this.chat(request, reply));
    app.post('/v1/attend', () => this.maps());
    app.post('/v1/visual-tokens', (request) => this.features(request.body as { question: string | null }));
    return app.listen({ port: 0, host: '127.0.0.1' });
  }

  close(): Promise<void> {
    this.app.server.closeAllConnections();
    return this.app.close();
  }

  private refusalOf(request: FastifyRequest): Refusal | undefined {
    this.requests.push({ path: request.url, body: (request.body ?? {}) as Record<string, unknown> });
    if (this.key !== undefined && request.headers.authorization !== `Bearer ${this.key}`) {
      return { status: 401, message: 'Expected an API key' };
    }
    return this.refusals[request.url];
  }

  private async chat(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { question_aware } = (request.body as ChatBody).qavit;
    reply.hijack();
    const { raw } = reply;
    raw.on('close', () => (this.abandoned += raw.writableFinished ? 0 : 1));
    raw.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (chunk: object): boolean => raw.write(`data: ${JSON.stringify(chunk)}\n\n`);
    const [first = '', ...rest] = this.answer;
    send({ choices: [{ delta: { role: 'assistant', content: first } }] });
    await this.held;
    if (this.breaks === 'with an event') send({ error: { message: 'the model failed' } });
    if (this.breaks) return void raw.end();
    if (question_aware) rest.forEach((content) => send({ choices: [{ delta: { content } }] }));
    send({ choices: [], qavit: { timings: TIMINGS, cached: { image: true, question: false } } });
    raw.end('data: [DONE]\n\n');
  }

  private maps(): object {
    const patches = Array.from({ length: PATCHES }, (_, patch) => patch);
    return {
      object: 'attention_maps',
      grid: GRID,
      layers: FUSED.map((layer, i) => ({
        layer,
        gate: FACTS.gates[i],
        map: patches.map((patch) => shareOf(layer, patch)),
      })),
      difference: patches.map((patch) => patch / PATCHES),
      ratings: [1, ...patches.map(ratingOf)],
    };
  }

  private features({ question }: { question: string | null }): object {
    const shift = question?.length ?? 0;
    const data = Float32Array.from({ length: (PATCHES + 1) * WIDTH }, (_, i) => Math.sin(i + shift) + 2);
    return { shape: [PATCHES + 1, WIDTH], data: Buffer.from(data.buffer).toString('base64') };
  }
}
