import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BatcherObserver } from '../batcher';
import type { ServedModel } from './served-model';

/** From a cache's answer to a large tower's batch, seconds. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128];

/** Of the process; servers of one process share them. */
let processMetrics: Registry | undefined;

function ofProcess(): Registry {
  if (!processMetrics) {
    processMetrics = new Registry();
    collectDefaultMetrics({ register: processMetrics });
  }
  return processMetrics;
}

/** What Prometheus is told about one server. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly registers = [this.registry];
  private readonly requests = new Counter({
    name: 'qavit_http_requests_total',
    help: 'Requests answered, by route and status.',
    labelNames: ['route', 'status'],
    registers: this.registers,
  });
  private readonly requestSeconds = new Histogram({
    name: 'qavit_http_request_seconds',
    help: 'From the head of a request to the end of its answer, by route.',
    labelNames: ['route'],
    buckets: SECONDS,
    registers: this.registers,
  });
  private readonly stageSeconds = new Histogram({
    name: 'qavit_stage_seconds',
    help: 'Time of each stage; look and encode once a batch.',
    labelNames: ['model', 'stage'],
    buckets: SECONDS,
    registers: this.registers,
  });
  private readonly batchSize = new Histogram({
    name: 'qavit_batch_size',
    help: 'Pairs of picture and question computed together.',
    labelNames: ['model'],
    buckets: SIZES,
    registers: this.registers,
  });
  private readonly lookups = new Counter({
    name: 'qavit_cache_lookups_total',
    help: 'Pictures and questions looked for in the caches, by result.',
    labelNames: ['model', 'cache', 'result'],
    registers: this.registers,
  });
  private readonly refusals = new Counter({
    name: 'qavit_refused_total',
    help: 'Requests refused because too many were under way.',
    labelNames: ['model'],
    registers: this.registers,
  });

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  async text(): Promise<string> {
    return Registry.merge([ofProcess(), this.registry]).metrics();
  }

  /** @param seconds until the end of its answer; absent where there is none */
  ended(route: string, status: number, seconds?: number): void {
    this.requests.inc({ route, status });
    if (seconds !== undefined) this.requestSeconds.observe({ route }, seconds);
  }

  /** Notes what a model's Batcher does. */
  observerOf(model: string): BatcherObserver {
    return {
      batch: (size) => this.batchSize.observe({ model }, size),
      stage: (stage, ms) => this.stageSeconds.observe({ model, stage }, ms / 1000),
      cache: (cache, hit) => this.lookups.inc({ model, cache, result: hit ? 'hit' : 'miss' }),
      refused: () => this.refusals.inc({ model }),
    };
  }

  /** Adds what is read off the models whenever somebody asks. */
  watch(models: ReadonlyMap<string, ServedModel>): void {
    const gauge = (name: string, help: string, read: (model: ServedModel) => Record<string, number>, label?: string) =>
      new Gauge({
        name,
        help,
        labelNames: label ? ['model', label] : ['model'],
        registers: this.registers,
        collect() {
          for (const [model, served] of models) {
            for (const [key, value] of Object.entries(read(served)))
              this.set({ model, ...(label && { [label]: key }) }, value);
          }
        },
      });
    gauge('qavit_pending_requests', 'Requests under way.', ({ batcher }) => ({ all: batcher.state.pending }));
    gauge(
      'qavit_queue_depth',
      'Work that has not begun, and answers that wait for the language model.',
      ({ batcher }) => ({
        all: batcher.state.queued,
      }),
    );
    gauge(
      'qavit_answers',
      'Answers that wait for the language model, and that it writes.',
      ({ batcher: { state } }) => ({ waiting: state.answersWaiting, running: state.answersRunning }),
      'state',
    );
    gauge(
      'qavit_cache_bytes',
      'Memory of the caches.',
      ({ batcher: { state } }) => ({
        image: state.imageCacheBytes,
        question: state.questionCacheBytes,
      }),
      'cache',
    );
    gauge(
      'qavit_device_memory_bytes',
      'Memory held on the devices.',
      ({ memory }) => ({
        weights: memory.weightBytes,
        tensors: memory.tensorBytes,
        arena: memory.arenaBytes,
      }),
      'kind',
    );
  }
}
