import type { QAViT } from '../../qavit';
import { Batcher, type BatchModel, type BatcherObserver } from '../batcher';
import { RequestError } from '../request-error';
import type { ResolvedServerOptions } from './options';

/** One model, or equal ones on several devices, by the name clients know. */
export type ServedModels = Readonly<Record<string, BatchModel | readonly BatchModel[]>>;

/** A model under its name, with the Batcher in front of it. */
export class ServedModel {
  readonly batcher: Batcher;
  readonly created = Math.floor(Date.now() / 1000);
  readonly canAnswer: boolean;
  /** Whether it is asked in a chat template, which has a place for more than the question. */
  readonly chats: boolean;
  /** Whether questions in words reach the tower. */
  readonly canListen: boolean;
  /** Whether a request may ask for fewer visual tokens. */
  readonly selectsTokens: boolean;
  /** Visual tokens there are to hand over. */
  readonly allTokens: number;
  private readonly limits: { pixels: number; bytes: number };
  private readonly replicas: readonly BatchModel[];

  constructor(
    readonly id: string,
    models: BatchModel | readonly BatchModel[],
    { batching, limits }: ResolvedServerOptions,
    observer: BatcherObserver,
  ) {
    this.replicas = Array.isArray(models) ? (models as readonly BatchModel[]) : [models as BatchModel];
    const { imageBytes: maxBytes, pixels: maxPixels } = limits;
    this.limits = { pixels: maxPixels, bytes: maxBytes };
    this.batcher = new Batcher(this.replicas, { ...batching, limits: { maxBytes, maxPixels }, observer });
    // Asked once: a model asks its device each time.
    const { language, readsQuestions, selectsTokens, allTokens } = this.info;
    this.canAnswer = language !== null;
    this.chats = language?.visionLanguage !== undefined;
    this.selectsTokens = selectsTokens;
    this.allTokens = allTokens;
    this.canListen = readsQuestions;
  }

  get info(): QAViT['info'] {
    return this.replicas[0]!.info;
  }

  /** Memory held on all devices of this model, bytes. */
  get memory(): QAViT['info']['memory'] {
    const all = this.replicas.map(({ info }) => info.memory);
    const sum = (of: (one: (typeof all)[number]) => number): number => all.reduce((total, one) => total + of(one), 0);
    return {
      weightBytes: sum(({ weightBytes }) => weightBytes),
      tensorBytes: sum(({ tensorBytes }) => tensorBytes),
      arenaBytes: sum(({ arenaBytes }) => arenaBytes),
    };
  }

  /** As `GET /v1/models` lists it. */
  describe() {
    const { image, preprocessing, maxPatches, patch, grid, N, tiles, L, fusedLayers, gates, dtype, device } = this.info;
    return {
      id: this.id,
      object: 'model',
      created: this.created,
      owned_by: 'qavit',
      qavit: {
        image: { ...image, ...preprocessing },
        maxPatches,
        patch,
        grid,
        visualTokens: N,
        tiles,
        allTokens: this.allTokens,
        selectsTokens: this.selectsTokens,
        layers: L,
        fusedLayers,
        gates,
        dtype,
        device: device.ordinal === undefined ? device.kind : `${device.kind}:${device.ordinal}`,
        replicas: this.replicas.length,
        canAnswer: this.canAnswer,
        readsQuestions: this.canListen,
        limits: this.limits,
      },
    };
  }
}

/** @throws RequestError 404 */
export function findModel(models: ReadonlyMap<string, ServedModel>, id: string): ServedModel {
  const found = models.get(id);
  if (found) return found;
  const known = [...models.keys()].map((name) => JSON.stringify(name)).join(', ');
  throw new RequestError(404, 'model_not_found', `Expected one of the models ${known}`, 'model');
}

/** @throws RequestError 501 where questions in words cannot reach the tower */
export function requireQuestions({ id, canListen }: ServedModel): void {
  if (canListen) return;
  const what = 'null for the question: this model has no adapter, or nothing that reads words for it';
  throw new RequestError(501, 'unsupported_by_model', `Expected ${what} (${id})`, 'question');
}

/**
 * @param wanted how many visual tokens, as a request says it
 * @throws RequestError 501 where the adapter rates no tokens, 400 where there are not so many
 */
export function requireSelection(
  { id, selectsTokens, allTokens }: ServedModel,
  wanted: number | 'all' | undefined,
  param: string,
): void {
  if (typeof wanted !== 'number') return;
  if (!selectsTokens) {
    throw new RequestError(
      501,
      'unsupported_by_model',
      `Expected a model whose adapter has a token selector (${id} has none)`,
      param,
    );
  }
  if (wanted <= allTokens) return;
  throw new RequestError(400, 'invalid_value', `Expected at most ${allTokens} visual tokens, all there are`, param);
}

/** @throws RequestError 501 where there is no language model */
export function requireAnswers({ id, canAnswer }: ServedModel): void {
  if (canAnswer) return;
  throw new RequestError(
    501,
    'unsupported_by_model',
    `Expected a model with a language model (${id} has none)`,
    'model',
  );
}
