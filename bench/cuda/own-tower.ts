/** qavit as a contestant: the plan of a case on one GPU, with inputs and results on the device or on the host. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Device, DeviceStatistics, DeviceTensor, HostArray, Plan } from '../../lib/binding/native';
import { compile, type Graph, parametersOf } from '../../lib/graph';
import { firstFused } from '../../lib/models/forward';
import { encodePlan } from '../../lib/models/plans';
import { type OpenVision, openVision } from '../../lib/qavit/open-vision';
import { ParameterStore } from '../../lib/weights';
import { type Case, imagesOf, nameOf, type TowerSize } from './cases';
import type { Options } from './options';

/** Milliseconds of each sample: by the GPU's clock, and the host's until the tokens are there. */
export interface Times {
  gpu: number[];
  call: number[];
}

interface Loaded {
  plan: Plan;
  /** In the plan's order; on the device, pictures and questions are. */
  host: HostArray[];
  device: (HostArray | DeviceTensor)[];
}

export class OwnTower {
  private readonly loaded = new Map<string, Promise<Loaded>>();
  private readonly store: ParameterStore;
  readonly size: TowerSize;

  private constructor(
    private readonly device: Device,
    private readonly vision: OpenVision,
    private readonly directory: string,
    private readonly options: Options,
  ) {
    const { model } = vision;
    const config = readFileSync(path.join(directory, 'tower', 'config.json'), 'utf8');
    const { intermediate_size: mlp } = JSON.parse(config) as { intermediate_size: number };
    this.store = new ParameterStore(device, options.dtype);
    this.size = {
      tokens: model.tokens,
      width: model.width,
      heads: model.heads,
      mlp,
      layers: model.stop,
      patch: model.patch,
      hasClass: model.hasClass,
      fused: model.fused.length,
      firstFused: firstFused(model),
      questionWidth: model.questionWidth ?? 0,
      questionTokens: options.tokens,
    };
  }

  /** @param directory what the Python peer made */
  static async open(device: Device, directory: string, options: Options): Promise<OwnTower> {
    const folders = { tower: path.join(directory, 'tower'), adapter: path.join(directory, 'adapter') };
    return new OwnTower(device, await openVision(folders, {}), directory, options);
  }

  async run(entry: Case, copies: boolean, count: number): Promise<Times> {
    const loaded = await this.load(entry);
    const times: Times = { gpu: [], call: [] };
    // Whoever ran before left other things in the caches; and the first two runs of a plan do not replay it.
    for (let i = 0; i < 3; i += 1) await this.encode(loaded, copies);
    for (let i = 0; i < count; i += 1) {
      const before = this.milliseconds();
      const start = performance.now();
      await this.encode(loaded, copies);
      times.call.push(performance.now() - start);
      times.gpu.push(this.milliseconds() - before);
    }
    return times;
  }

  async warm(entry: Case, seconds: number): Promise<void> {
    const end = performance.now() + seconds * 1e3;
    do await this.run(entry, false, 1);
    while (performance.now() < end);
  }

  /** f32 [B, M, C] */
  async tokens(entry: Case): Promise<Float32Array> {
    return (await this.encode(await this.load(entry), true)) as Float32Array;
  }

  /** Gives a case's plan and inputs back, if it has got so far. */
  async release(entry: Case): Promise<void> {
    // Why it has not, whoever ran it has heard.
    const loaded = await this.loaded.get(nameOf(entry))?.catch(() => undefined);
    this.loaded.delete(nameOf(entry));
    loaded?.plan.dispose();
    for (const input of loaded?.device ?? []) if ('dispose' in input) input.dispose();
  }

  close(): void {
    this.vision.close();
  }

  get statistics(): DeviceStatistics {
    const { statistics } = this.device;
    if (!statistics)
      throw new Error(`Expected statistics of a device that records plans but ${this.device.info.kind} has none`);
    return statistics;
  }

  private milliseconds(): number {
    return this.statistics.milliseconds;
  }

  /** Tokens of one batch, disposed of at once where they stay on the device. */
  private async encode({ plan, host, device }: Loaded, copies: boolean): Promise<unknown> {
    const [tokens] = await this.device.run(plan, copies ? host : device, { results: [copies ? 'array' : 'tensor'] });
    if (!copies) (tokens as DeviceTensor).dispose();
    return tokens;
  }

  private load(entry: Case): Promise<Loaded> {
    const found = this.loaded.get(nameOf(entry)) ?? this.make(entry);
    this.loaded.set(nameOf(entry), found);
    return found;
  }

  private async make(entry: Case): Promise<Loaded> {
    const { pairs, perImage } = entry;
    const { options } = this;
    const { image, questionWidth = 0 } = this.vision.model;
    const entries = imagesOf(entry);
    const images = { entries, indexed: entries > 1 && entries !== pairs };
    const [K, Dq] = [options.tokens, questionWidth];
    const questions = perImage > 0 ? { entries: pairs, indexed: false, tokens: K, width: Dq } : undefined;
    const graphOptions = { dtype: options.dtype, stream: options.stream };
    const plan = await this.compile(
      encodePlan(this.vision.model, graphOptions, { samples: pairs, images, questions }, 'tower'),
    );
    const pixels = this.pixels(entries);
    const index = images.indexed ? [Int32Array.from({ length: pairs }, (_, b) => Math.floor(b / perImage))] : [];
    const host: HostArray[] = [pixels, ...index];
    const pixelShape = [entries, image.height, image.width * 3] as [number, number, number];
    const device: Loaded['device'] = [await this.device.write(pixels, { dtype: 'u8', shape: pixelShape }), ...index];
    if (questions) {
      const [features, lengths] = [this.questions(pairs * K * Dq), new Int32Array(pairs).fill(K)];
      host.push(features, lengths);
      device.push(await this.device.write(features, { dtype: 'f32', shape: [pairs, K, Dq] }), lengths);
    }
    return { plan, host, device };
  }

  private pixels(images: number): Uint8Array {
    const { width, height } = this.vision.model.image;
    const all = readFileSync(path.join(this.directory, 'pixels.u8'));
    return new Uint8Array(all).slice(0, images * width * height * 3);
  }

  private questions(elements: number): Float32Array {
    const all = readFileSync(path.join(this.directory, 'questions.f32'));
    return new Float32Array(new Uint8Array(all).buffer).slice(0, elements);
  }

  private async compile(graph: Graph): Promise<Plan> {
    await this.store.ensure(parametersOf(graph));
    return compile(graph, this.device, this.store.weightOf);
  }
}
