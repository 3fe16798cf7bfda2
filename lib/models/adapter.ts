import type { Projector } from '../blocks/projector';
import { NamedTensors, stored, type StoredTensor, type TensorSource } from '../weights';
import type { AdapterConfig } from './adapter-config';

/** What an adapter adds to one fused layer, as stored. */
export interface FusingTensors {
  /** instruct_dim_reduce.0: norm over Dq. */
  readonly gamma: StoredTensor;
  readonly beta: StoredTensor;
  /** instruct_dim_reduce.1: [C, Dq]. */
  readonly first: StoredTensor;
  /** instruct_dim_reduce.3: [C, C]. */
  readonly second: StoredTensor;
  /** P_g, [C, C], and its bias. */
  readonly gatedWeight: StoredTensor;
  readonly gatedBias: StoredTensor;
  /** tanh(beta) */
  readonly gate: number;
}

/** A trained QA-ViT adapter, described. */
export interface Adapter {
  readonly config: AdapterConfig;
  /** By layer. */
  readonly fusing: ReadonlyMap<number, FusingTensors>;
  readonly projector?: Projector;
  /** E; absent without a projector. */
  readonly languageWidth?: number;
  /** token_selector: what rates visual tokens, [1, C]; absent where it was not trained. */
  readonly selector?: StoredTensor;
}

/** Prefixes that training code leaves in front of the published names. */
const PREFIXES = [
  'base_model.model.vision.vision_tower.vision_model.',
  'vision.vision_tower.vision_model.',
  'vision_tower.vision_model.',
  'vision_model.',
  'base_model.model.',
  '',
];

/** Written by the published code and never read by it. */
const NOT_NEEDED = /(^|\.)instruction_gate$|^translation_mlp\.dummy\./;

/** Ours: the published adapters have none. */
const SELECTOR = 'token_selector.weight';

/** The published code's LayerNorm leaves PyTorch's default. */
export const QUESTION_NORM_EPS = 1e-5;

/**
 * Finds an adapter's tensors by their published names.
 *
 * @param width C of the tower
 * @throws QAViTError ERR_FORMAT or ERR_SHAPE, naming the tensor, where they do not fit configuration and tower
 */
export function openAdapter(config: AdapterConfig, source: TensorSource, width: number): Adapter {
  const tensors = NamedTensors.of(source, PREFIXES);
  const fusing = new Map(
    config.layers.map((layer) => [layer, fusingTensors(tensors, layer, width, config.questionWidth)]),
  );
  const languageWidth = config.projector && tensors.shapeOf('translation_mlp.layers.0.weight')[0];
  const projector = languageWidth === undefined ? undefined : openProjector(config, tensors, width, languageWidth);
  const selector = tensors.has(SELECTOR) ? tensors.take(SELECTOR, [1, width]) : undefined;
  tensors.expectNoOthers(NOT_NEEDED);
  return { config, fusing, projector, languageWidth, selector };
}

function fusingTensors(tensors: NamedTensors, layer: number, width: number, questionWidth: number): FusingTensors {
  const reduce = `encoder.layers.${layer}.instruct_dim_reduce`;
  const attention = `encoder.layers.${layer}.self_attn`;
  // One number a layer, stored as [] or [1].
  const gateName = `${attention}.instruction_proj_gate`;
  const gate = tensors.take(gateName, tensors.shapeOf(gateName).length === 0 ? [] : [1]);
  return {
    gamma: tensors.take(`${reduce}.0.weight`, [questionWidth]),
    beta: tensors.take(`${reduce}.0.bias`, [questionWidth]),
    first: tensors.take(`${reduce}.1.weight`, [width, questionWidth]),
    second: tensors.take(`${reduce}.3.weight`, [width, width]),
    gatedWeight: tensors.take(`${attention}.instruction_out_proj.weight`, [width, width]),
    gatedBias: tensors.take(`${attention}.instruction_out_proj.bias`, [width]),
    gate: Math.tanh(gate.read()[0] ?? 0),
  };
}

function openProjector(
  { projector }: AdapterConfig,
  tensors: NamedTensors,
  width: number,
  languageWidth: number,
): Projector {
  const layers = Array.from({ length: projector?.layers ?? 0 }, (_, i) => {
    const name = `translation_mlp.layers.${i}`;
    const weight = tensors.take(`${name}.weight`, [languageWidth, i === 0 ? width : languageWidth]);
    return { weight: stored(weight, 'matrix'), bias: stored(tensors.take(`${name}.bias`, [languageWidth]), 'vector') };
  });
  return { layers, activation: projector?.activation === 'gelu' ? 'gelu_erf' : 'relu' };
}
