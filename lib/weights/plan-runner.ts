import type { Device, DeviceTensor, HostArray, Plan, Result, ResultForm } from '../binding/native';
import { withAbortFlag } from '../calls/abort';
import { compile, type Graph, type Parameter, parametersOf, PlanCache } from '../graph';
import type { ParameterStore } from './parameter-store';

/** `count` results that stay on the device. */
export const asTensors = (count: number): ResultForm[] => Array.from({ length: count }, () => 'tensor');

/** A model's plans on a device: each is compiled when it is first needed, once what it multiplies with is there. */
export class PlanRunner {
  private readonly plans = new PlanCache();

  constructor(
    private readonly device: Device,
    private readonly store: ParameterStore,
  ) {}

  /** Makes all parameters of these graphs resident. */
  async prepare(graphs: readonly Graph[], signal?: AbortSignal): Promise<void> {
    const parameters = [...new Set(graphs.flatMap(parametersOf))];
    await withAbortFlag(signal, (flag) => this.store.ensure(parameters, flag));
  }

  /** @param key stands for all that `trace` depends on */
  plan(key: string, trace: () => Graph): Promise<Plan> {
    return this.plans.get(key, async () => {
      const graph = trace();
      return this.store.use(parametersOf(graph), (weightOf) => compile(graph, this.device, weightOf));
    });
  }

  /** Lets go of plans whose keys begin so, and of parameters that no other plans have. Runs that have begun end as they would. */
  async forget(beginning: string, parameters: readonly Parameter[]): Promise<void> {
    this.plans.forget(beginning);
    await this.store.release(parameters);
  }

  /** @param results how they come back; as arrays unless given */
  run(
    plan: Plan,
    inputs: readonly (HostArray | DeviceTensor)[],
    signal: AbortSignal,
    results?: readonly ResultForm[],
  ): Promise<Result[]> {
    return withAbortFlag(signal, (abort) => this.device.run(plan, inputs, { results, abort }));
  }
}
