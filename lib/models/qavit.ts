import type { FoldedReader, LayeredReader, QuestionReader } from '../blocks/question-reader';
import type { Projector } from '../blocks/projector';
import { expectedButFound } from '../errors';
import type { Affine, GatedAffine } from '../graph';
import {
  computed,
  type FoldContext,
  foldGate,
  foldNormAffine,
  gather,
  type Matrix,
  quantizable,
  scaleRows,
  stack,
  stored,
  type StoredTensor,
} from '../weights';
import { type Adapter, type FusingTensors, QUESTION_NORM_EPS } from './adapter';
import { tokensBeforePatches, type Tower, type TowerLayer } from './tower';

/** A tower, and what is taken from it. */
export interface VisionModel extends Tower {
  /** Layers computed: those from here on are not. */
  readonly stop: number;
  readonly keepClass: boolean;
  /** Layers the question takes part in, ascending; empty without an adapter. */
  readonly fused: readonly number[];
  /** tanh(beta) of each of them. */
  readonly gates: readonly number[];
  /** Present where a layer is fused. */
  readonly reader?: QuestionReader;
  /** Dq; present where a layer is fused. */
  readonly questionWidth?: number;
  readonly projector?: Projector;
  /** Rates visual tokens; present where the adapter brings one. */
  readonly selector?: Affine;
}

export interface Taken {
  /** As in transformers' hidden_states: 0 is the input of layer 0, -1 the output of the last layer. */
  readonly hiddenLayer: number;
  readonly keepClass: boolean;
  /** What a vision-language model puts behind its tower. */
  readonly projector?: Projector;
}

/** A tower without any question. */
export function plain(tower: Tower, { hiddenLayer, keepClass, projector }: Taken): VisionModel {
  const states = tower.layers.length + 1;
  const stop = hiddenLayer < 0 ? states + hiddenLayer : hiddenLayer;
  const oneOfSeveral = projector?.squares !== undefined;
  if (keepClass && (oneOfSeveral || projector?.lines) && tokensBeforePatches(tower) > 0) {
    const where = oneOfSeveral
      ? 'a projector that makes one row of several'
      : 'a projector whose rows are laid out in lines';
    throw expectedButFound('ERR_UNSUPPORTED', 'patches alone', where, 'the class token too');
  }
  return { ...tower, stop, keepClass, fused: [], gates: [], projector };
}

/**
 * QA-ViT (Ganz et al. 2024, arXiv 2402.05472) as a transform of a tower: in the chosen layers a question's keys and values join the
 * attention, and a gated projection stands for the frozen one. The tower itself stays as it is.
 *
 * @param options folds: false keeps every published operation apart, for tests of the folds
 * @throws QAViTError ERR_FORMAT where no fused layer lies below the layer that is taken
 */
export function fuse(tower: Tower, adapter: Adapter, options: { folds: boolean } = { folds: true }): VisionModel {
  const { hiddenLayer, keepClass } = adapter.config;
  const base = plain(tower, { hiddenLayer, keepClass, projector: adapter.projector });
  const fused = adapter.config.layers.filter((layer) => layer < base.stop);
  if (fused.length === 0) {
    const { layers } = adapter.config;
    const found = layers.length > 0 ? `layers ${layers.join(', ')}` : 'none';
    throw expectedButFound(
      'ERR_FORMAT',
      `a fused layer below ${base.stop}, where the tower ends,`,
      'an adapter',
      found,
    );
  }
  const { squares, lines } = base.projector ?? {};
  if (adapter.selector && (squares || lines)) {
    const what = 'an adapter without token_selector, or with a projector of its own';
    const how = lines ? 'whose rows are laid out in lines' : 'that makes one row of several tokens';
    throw expectedButFound('ERR_UNSUPPORTED', what, `a projector ${how}`, 'one with');
  }
  const slots = fused.map((layer) => slot(tower, adapter, layer));
  const gated = new Map(slots.map((each) => [each.layer, options.folds ? foldedGate(each) : dualGate(each)]));
  return {
    ...base,
    fused,
    gates: slots.map(({ tensors }) => tensors.gate),
    layers: tower.layers.map((layer, i) => (gated.has(i) ? { ...layer, fusing: gated.get(i) } : layer)),
    reader: options.folds ? foldedReader(tower, adapter, slots) : layeredReader(slots),
    questionWidth: adapter.config.questionWidth,
    selector: adapter.selector && { weight: stored(adapter.selector, 'matrix') },
  };
}

/** Visual tokens of a whole picture, N. */
export function visualTokens(model: VisionModel): number {
  return tokensToHandOver(model, 'projected') + (model.projector?.lines ? 1 : 0);
}

/** Rows that the device hands over of a view; a projector may make one of several. */
export function tokensToHandOver(model: VisionModel, output: 'projected' | 'tower'): number {
  const taken = model.keepClass ? model.tokens : model.tokens - tokensBeforePatches(model);
  return output === 'tower' ? taken : taken / (model.projector?.squares?.side ?? 1) ** 2;
}

/** A layer of the tower and what the adapter brings to it. */
interface Slot {
  readonly layer: number;
  readonly frozen: TowerLayer;
  readonly tensors: FusingTensors;
}

function slot(tower: Tower, { fusing }: Adapter, layer: number): Slot {
  const [frozen, tensors] = [tower.layers[layer], fusing.get(layer)];
  if (frozen && tensors) return { layer, frozen, tensors };
  throw expectedButFound(
    'ERR_ARGUMENT',
    `tower and adapter to have layer ${layer}`,
    'fuse',
    frozen ? 'no such adapter' : 'no such layer',
  );
}

function foldedGate({ layer, frozen: { frozen, attention }, tensors }: Slot): GatedAffine {
  const name = `layers.${layer}.gated_projection`;
  const { gate, gatedWeight, gatedBias } = tensors;
  return {
    // Quantised after folding: one rounding to int8, as there is one to bf16.
    weight: quantizable(
      computed(`${name}.weight`, 'matrix', attention.output.weight.shape, () =>
        scaled(frozen, foldGate(frozen.readOutput().weight.data, gatedWeight.read(), gate)),
      ),
    ),
    bias: computed(`${name}.bias`, 'vector', gatedBias.shape, () =>
      scaled(frozen, foldGate(frozen.readOutput().bias, gatedBias.read(), gate)),
    ),
  };
}

function dualGate({ frozen: { frozen, attention }, tensors }: Slot): GatedAffine {
  const { gate, gatedWeight, gatedBias } = tensors;
  const own = (tensor: StoredTensor, role: 'matrix' | 'vector') =>
    frozen.readOutputScale
      ? computed(tensor.name, role, tensor.shape, () => scaled(frozen, tensor.read()))
      : stored(tensor, role);
  return {
    ...attention.output,
    gate: { weight: quantizable(own(gatedWeight, 'matrix')), bias: own(gatedBias, 'vector'), value: gate },
  };
}

/** The gate comes before LayerScale, which multiplies the whole branch. */
function scaled({ readOutputScale }: TowerLayer['frozen'], numbers: Float32Array): Float32Array {
  return readOutputScale ? scaleRows(numbers, readOutputScale()) : numbers;
}

function foldedReader({ width }: Tower, { config: { questionWidth } }: Adapter, slots: readonly Slot[]): FoldedReader {
  const count = slots.length;
  const normInto = ({ tensors }: Slot) =>
    foldNormAffine(matrix(tensors.first.read(), width, questionWidth), tensors.gamma.read(), tensors.beta.read());
  // Through the frozen key and value projections at once: [W_k; W_v] W_2.
  const through = async ({ frozen, tensors }: Slot, { multiply }: FoldContext) =>
    (await multiply(frozen.frozen.readKeyValue().weight, matrix(tensors.second.read(), width, width))).data;
  return {
    eps: QUESTION_NORM_EPS,
    first: {
      weight: computed('question.first.weight', 'matrix', [count * width, questionWidth], ({ dtype }) =>
        gather(dtype, { count, size: width * questionWidth }, (i) => normInto(slots[i]!).weight),
      ),
      bias: computed('question.first.bias', 'vector', [count * width], () =>
        stack(slots.map((each) => normInto(each).bias)),
      ),
    },
    second: {
      weight: computed('question.second.weight', 'matrix', [count, 2 * width, width], (context) =>
        gather(context.dtype, { count, size: 2 * width * width }, (i) => through(slots[i]!, context)),
      ),
      bias: computed('question.second.bias', 'vector', [count * 2 * width], () =>
        stack(slots.map(({ frozen }) => frozen.frozen.readKeyValue().bias)),
      ),
    },
  };
}

function layeredReader(slots: readonly Slot[]): LayeredReader {
  const layers = slots.map(({ layer, frozen, tensors }) => {
    const { frozen: numbers } = frozen;
    const [, width = 0] = tensors.second.shape;
    return {
      norm: { gamma: stored(tensors.gamma, 'vector'), beta: stored(tensors.beta, 'vector'), eps: QUESTION_NORM_EPS },
      first: { weight: stored(tensors.first, 'matrix') },
      second: { weight: stored(tensors.second, 'matrix') },
      keyValue: {
        weight: computed(
          `layers.${layer}.key_value.weight`,
          'matrix',
          [2 * width, width],
          () => numbers.readKeyValue().weight.data,
        ),
        bias: computed(`layers.${layer}.key_value.bias`, 'vector', [2 * width], () => numbers.readKeyValue().bias),
      },
    };
  });
  return { layers };
}

function matrix(data: Float32Array, rows: number, columns: number): Matrix {
  return { data, rows, columns };
}
