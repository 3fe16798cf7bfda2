import type { Device, OpDescription, Plan, PlanDescription, Weight } from '../binding/native';
import type { Graph } from './graph';
import { reuseResiduals } from './in-place';
import type { Parameter } from './parameter';
import { sizes } from './shape';
import type { Tensor } from './tensor';

/** The parameters a graph names, each once, in the order of first use. */
export function parametersOf(graph: Graph): Parameter[] {
  return [...new Set(graph.recording.ops.flatMap((op) => Object.values(op.parameters)))];
}

/** What the addon compiles. `parameters` gives the meaning of the weight numbers in it. */
export function describePlan(graph: Graph): { description: PlanDescription; parameters: Parameter[] } {
  const { recording } = graph;
  const parameters = parametersOf(graph);
  const weightNumber = new Map(parameters.map((parameter, i) => [parameter, i]));
  const standIn = reuseResiduals(recording);
  // Values that another stands in for disappear; the rest close up.
  const kept = recording.values.map((_, i) => i).filter((i) => standIn[i] === i);
  const valueNumber = new Map(kept.map((value, i) => [value, i]));
  const numberOf = (value: number): number => valueNumber.get(standIn[value] ?? value) ?? -1;

  const describeView = (tensor: Tensor) => ({ ...tensor.describe(), value: numberOf(tensor.value) });
  const ops = recording.ops.map(({ op, name, views, parameters: named, attributes }): OpDescription => ({
    op,
    name,
    views: mapValues(views, describeView),
    weights: mapValues(named, (parameter) => weightNumber.get(parameter) ?? -1),
    attributes,
  }));
  const values = kept.flatMap((i) => recording.values[i] ?? []);
  const description: PlanDescription = {
    name: recording.name,
    values: values.map(({ kind, dtype, shape }) => ({ kind, dtype, shape: sizes(shape) })),
    ops,
    inputs: recording.inputs.map(numberOf),
    outputs: recording.outputs.map(numberOf),
  };
  return { description, parameters };
}

/**
 * Turns a recorded graph into a plan of the device.
 *
 * @param weightOf the resident form of a parameter
 * @throws QAViTError with the code and words of native validation
 */
export function compile(graph: Graph, device: Device, weightOf: (parameter: Parameter) => Weight): Plan {
  const { description, parameters } = describePlan(graph);
  return device.compile(description, parameters.map(weightOf));
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, convert: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]));
}
