/** qavit as a contestant: the plans of a model on one GPU, with inputs and results on the device or on the host. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Device, DeviceStatistics, DeviceTensor, HostArray, Plan } from '../../lib/binding/native';
import { compile, type Graph, parametersOf } from '../../lib/graph';
import { firstFused } from '../../lib/models/forward';
import { fusePlan, listenPlan, lookPlan, plainPlan, type Shared } from '../../lib/models/plans';
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
  look: Plan;
  /** Absent without questions. */
  listen?: Plan;
  finish: Plan;
  host: { pixels: Uint8Array; questions?: Float32Array };
  device: { pixels: DeviceTensor; questions?: DeviceTensor };
  /** Which picture each sample takes, if that is not its own number, and its question's length. */
  index: Int32Array[];
  lengths: Int32Array[];
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

  /** Gives a case's inputs back. */
  async release(entry: Case): Promise<void> {
    const loaded = await this.loaded.get(nameOf(entry));
    this.loaded.delete(nameOf(entry));
    loaded?.device.pixels.dispose();
    loaded?.device.questions?.dispose();
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
  private async encode(
    { look, listen, finish, host, device, index, lengths }: Loaded,
    copies: boolean,
  ): Promise<unknown> {
    const { pixels, questions } = copies ? host : device;
    const keep = { keep: [true] };
    const heard = listen && questions ? this.device.run(listen, [questions], keep) : undefined;
    const [stream] = (await this.device.run(look, [pixels], keep)) as DeviceTensor[];
    const [keyValues] = ((await heard) ?? []) as DeviceTensor[];
    const inputs: (HostArray | DeviceTensor)[] = [stream!, ...index];
    if (keyValues) inputs.push(keyValues, ...lengths);
    const [tokens] = await this.device.run(finish, inputs, { keep: [!copies] });
    for (const tensor of [stream, keyValues, copies ? undefined : (tokens as DeviceTensor)]) tensor?.dispose();
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
    const { model } = this.vision;
    const images = imagesOf(entry);
    const graphOptions = { dtype: options.dtype, stream: options.stream };
    const pictures: Shared = { entries: images, indexed: images > 1 && images !== pairs };
    const look = await this.compile(lookPlan(model, graphOptions, images));
    const index = pictures.indexed ? [Int32Array.from({ length: pairs }, (_, b) => Math.floor(b / perImage))] : [];
    const pixels = this.pixels(images);
    const pixelShape = [images, model.image, model.image * 3] as [number, number, number];
    const kept = { pixels: await this.device.write(pixels, { dtype: 'u8', shape: pixelShape }) };
    if (perImage === 0) {
      const finish = await this.compile(plainPlan(model, graphOptions, pairs, pictures, 'tower'));
      return { look, finish, host: { pixels }, device: kept, index, lengths: [] };
    }
    const [K, Dq] = [options.tokens, model.questionWidth ?? 0];
    const listen = await this.compile(listenPlan(model, graphOptions, { questions: pairs, tokens: K, width: Dq }));
    const heard: Shared = { entries: pairs, indexed: false };
    const fuseSize = { samples: pairs, images: pictures, questions: heard, tokens: K };
    const finish = await this.compile(fusePlan(model, graphOptions, fuseSize, 'tower'));
    const questions = this.questions(pairs * K * Dq);
    return {
      look,
      listen,
      finish,
      host: { pixels, questions },
      device: { ...kept, questions: await this.device.write(questions, { dtype: 'f32', shape: [pairs, K, Dq] }) },
      index,
      lengths: [new Int32Array(pairs).fill(K)],
    };
  }

  private pixels(images: number): Uint8Array {
    const all = readFileSync(path.join(this.directory, 'pixels.u8'));
    return new Uint8Array(all).slice(0, images * this.vision.model.image ** 2 * 3);
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
