import type { AbortFlag, Device, MatrixDType, Weight } from '../binding/native';
import { QAViTError, expectedButFound } from '../errors';
import { type ComputeDType, paddedShape, type Parameter } from '../graph';
import { multiplyOn } from './device-product';
import { BYTES } from './elements';
import type { FoldContext, WeightData, WeightParameter } from './weight-parameter';

/** Host memory that parameters on their way to the device may take together: enough to keep it busy, little beside any model. */
const BATCH_BYTES = 16 * 2 ** 20;

/** The parameters of a model that are resident on a device. Each is made and uploaded once, when the first plan needs it. */
export class ParameterStore {
  private readonly resident = new Map<Parameter, Weight>();
  /** Turns are taken one after another: two of them could make the same parameter twice. */
  private last: Promise<unknown> = Promise.resolve();
  private readonly context: FoldContext;

  /**
   * @param dtype what matrices are kept in
   * @param quantized what those are kept in that may be quantised
   */
  constructor(
    private readonly device: Device,
    private readonly dtype: ComputeDType,
    private readonly quantized: MatrixDType = dtype,
  ) {
    this.context = { dtype, multiply: multiplyOn(device) };
  }

  /** Makes `parameters` resident. After an abort what has been uploaded stays. */
  ensure(parameters: readonly Parameter[], abort?: AbortFlag): Promise<void> {
    return this.use(parameters, () => undefined, abort);
  }

  /** What `make` makes of `parameters`, which are resident meanwhile, whoever releases them. */
  use<T>(
    parameters: readonly Parameter[],
    make: (weightOf: (parameter: Parameter) => Weight) => T,
    abort?: AbortFlag,
  ): Promise<T> {
    return this.inTurn(async () => {
      await this.upload(parameters.filter((p) => !this.resident.has(p)).map(asWeight), abort);
      return make(this.weightOf);
    });
  }

  /** Lets go of some parameters, once what was asked for before is done; plans that were compiled with them keep them for themselves. */
  release(parameters: readonly Parameter[]): Promise<void> {
    return this.inTurn(() => {
      for (const parameter of parameters) {
        this.resident.get(parameter)?.dispose();
        this.resident.delete(parameter);
      }
    });
  }

  /** The resident form of a parameter; ensure() must have been called with it. */
  readonly weightOf = (parameter: Parameter): Weight => {
    const weight = this.resident.get(parameter);
    if (weight) return weight;
    throw new QAViTError('ERR_ARGUMENT', `Expected ensure() to have uploaded ${parameter.name} before it is used`);
  };

  /** Lets go of all parameters; plans that were compiled with them keep them for themselves. */
  dispose(): void {
    for (const weight of this.resident.values()) weight.dispose();
    this.resident.clear();
  }

  private inTurn<T>(task: () => T | Promise<T>): Promise<T> {
    const turn = this.last.then(task);
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async upload(parameters: readonly WeightParameter[], abort: AbortFlag | undefined): Promise<void> {
    let batch: [WeightParameter, WeightData][] = [];
    let bytes = 0;
    // While the device packs one batch, the next one is made; never more than the two.
    let packing: Promise<void> = Promise.resolve();
    for (const parameter of parameters) {
      const data = await parameter.produce(this.context);
      batch.push([parameter, data]);
      bytes += parameter.shape.reduce((product, n) => product * n, BYTES[data.dtype]);
      if (bytes < BATCH_BYTES) continue;
      await packing;
      packing = this.pack(batch, abort);
      packing.catch(() => undefined); // reported by the next await, which may come after other work
      [batch, bytes] = [[], 0];
    }
    await packing;
    if (batch.length > 0) await this.pack(batch, abort);
  }

  private async pack(batch: readonly [WeightParameter, WeightData][], abort: AbortFlag | undefined): Promise<void> {
    const items = batch.map(([parameter, data]) => ({
      ...data,
      shape: paddedShape(parameter),
      role: parameter.role,
      computeDtype: this.dtypeOf(parameter),
    }));
    const weights = await this.device.upload(items, abort);
    weights.forEach((weight, i) => {
      const parameter = batch[i]?.[0];
      if (parameter) this.resident.set(parameter, weight);
    });
  }

  /** Only matrices meet activations in the compute dtype; tables are added to the stream, and embeddings are too large for f32. */
  private dtypeOf({ role, quantizable, narrow }: Parameter): MatrixDType {
    if (narrow) return this.dtype;
    if (role !== 'matrix') return 'f32';
    return quantizable ? this.quantized : this.dtype;
  }
}

function asWeight(parameter: Parameter): WeightParameter {
  if ('produce' in parameter) return parameter as WeightParameter;
  throw expectedButFound(
    'ERR_ARGUMENT',
    'a parameter that knows its numbers',
    parameter.name,
    'a name and a shape only',
  );
}
