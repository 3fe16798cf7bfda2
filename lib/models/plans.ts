/** The graphs that an engine compiles: a forward function with its inputs and outputs declared, one a shape key. */
import { copy, dim, gatherRows, Graph, joinSamples, type GraphOptions, type Tensor } from '../graph';
import { finish, handOver, type Heard, listen, look } from './forward';
import type { VisionModel } from './qavit';

const ONE = dim('1', 1);

export type Output = 'projected' | 'tower';

/** Inputs: pixels u8 [U, image height, image width * 3]. Outputs: residual stream [U, M, C]. */
export function lookPlan(model: VisionModel, options: GraphOptions, images: number): Graph {
  const g = Graph.create('look', options);
  g.output(look(g, model, pixelsInput(g, model, images)));
  return g;
}

/** Inputs: residual streams [1, M, C] of `images` pictures. Outputs: one [U, M, C]. */
export function joinPlan({ tokens, width }: VisionModel, options: GraphOptions, images: number): Graph {
  const g = Graph.create('join', options);
  const shape = [ONE, dim('M', tokens), dim('C', width)] as const;
  g.output(
    joinSamples(
      g,
      Array.from({ length: images }, () => g.input(options.stream, shape)),
    ),
  );
  return g;
}

/** Inputs: residual stream [U, M, C] of `images` pictures. Outputs: each one's [1, M, C]. */
export function splitPlan({ tokens, width }: VisionModel, options: GraphOptions, images: number): Graph {
  const g = Graph.create('split', options);
  const all = g.input(options.stream, [dim('B', images), dim('M', tokens), dim('C', width)]);
  for (let i = 0; i < images; i++) g.output(copy(g, all.sample(i), { dtype: options.stream }));
  return g;
}

/** Inputs: features f32 [Q, K, Dq]. Outputs: keys and values [Q, K, Lf*2C]. */
export function listenPlan(model: VisionModel, options: GraphOptions, size: QuestionSize): Graph {
  const g = Graph.create('listen', options);
  g.output(listen(g, model, featuresInput(g, size)));
  return g;
}

export interface QuestionSize {
  /** Q */
  readonly questions: number;
  /** K */
  readonly tokens: number;
  /** Dq */
  readonly width: number;
}

/**
 * Entries looked at or listened to once, and how a batch takes them: entry b for sample b, the only one for all, or whichever an
 * index input says.
 */
export interface Shared {
  readonly entries: number;
  readonly indexed: boolean;
}

/**
 * Inputs: stream [U, M, C]; if indexed, i32 [1, 1, B].
 * Outputs: handOver()'s.
 */
export function plainPlan(
  model: VisionModel,
  options: GraphOptions,
  samples: number,
  images: Shared,
  output: Output,
): Graph {
  const g = Graph.create('plain', options);
  const stream = streamInput(g, model, samples, images);
  outputAll(g, handOver(g, model, finish(g, model, stream), output));
  return g;
}

export interface FuseSize {
  /** B */
  readonly samples: number;
  /** U */
  readonly images: Shared;
  /** Q */
  readonly questions: Shared;
  /** K */
  readonly tokens: number;
}

/**
 * Inputs: stream [U, M, C]; if indexed, i32 [1, 1, B]; keys and values [Q, K, Lf*2C]; if indexed, i32 [1, 1, B]; lengths
 * i32 [1, 1, B].
 * Outputs: handOver()'s.
 */
export function fusePlan(model: VisionModel, options: GraphOptions, size: FuseSize, output: Output): Graph {
  const g = Graph.create('fuse', options);
  const stream = streamInput(g, model, size.samples, size.images);
  const keyValues = keyValuesInput(g, model, size);
  const lengths = lengthsInput(g, size.samples);
  outputAll(g, handOver(g, model, finish(g, model, stream, { keyValues, lengths }), output));
  return g;
}

export interface EncodeSize {
  /** B */
  readonly samples: number;
  /** U */
  readonly images: Shared;
  /** Q, K and Dq. Absent: the plain tower. */
  readonly questions?: Shared & Omit<QuestionSize, 'questions'>;
}

/**
 * What lookPlan, listenPlan and fusePlan (or plainPlan) compute, as one plan: for pictures and questions that nothing else needs.
 *
 * Inputs: pixels u8 [U, image height, image width * 3]; if indexed, i32 [1, 1, B]; features f32 [Q, K, Dq]; if indexed, i32 [1, 1, B]; lengths
 * i32 [1, 1, B].
 * Outputs: handOver()'s.
 */
export function encodePlan(
  model: VisionModel,
  options: GraphOptions,
  { samples, images, questions }: EncodeSize,
  output: Output,
): Graph {
  const g = Graph.create('encode', options);
  const pixels = pixelsInput(g, model, images.entries);
  const stream = spread(g.scope('images'), look(g, model, pixels), samples, images);
  outputAll(g, handOver(g, model, finish(g, model, stream, questions && heard(questions)), output));
  return g;

  function heard(asked: NonNullable<EncodeSize['questions']>): Heard {
    const features = featuresInput(g, { ...asked, questions: asked.entries });
    const keyValues = spread(g.scope('questions'), listen(g, model, features), samples, asked);
    return { keyValues, lengths: lengthsInput(g, samples) };
  }
}

/**
 * Inputs: stream [1, M, C], keys and values [1, K, Lf*2C], lengths i32 [1, 1, 1].
 * Outputs: f32 [1, M, C] with the question, f32 [1, M, C] without it, f32 [1, M, K] a fused layer, then the ratings with the question
 * f32 [1, M, 1], where there is a selector.
 */
export function attendPlan(model: VisionModel, options: GraphOptions, tokens: number): Graph {
  const g = Graph.create('attend', options);
  const one = { entries: 1, indexed: false };
  const whole = { ...model, keepClass: true };
  const stream = streamInput(g, model, 1, one);
  const keyValues = keyValuesInput(g, model, { samples: 1, questions: one, tokens });
  const lengths = lengthsInput(g, 1);
  const maps: Tensor[] = [];
  const watch = (_layer: number, map: Tensor): void => void maps.push(map);
  const [asked, ...ratings] = handOver(g, whole, finish(g, model, stream, { keyValues, lengths, watch }), 'tower');
  const unrated = { ...whole, selector: undefined };
  const [unasked] = handOver(g.scope('plain'), unrated, finish(g.scope('plain'), model, stream), 'tower');
  outputAll(g, [asked, unasked, ...maps, ...ratings]);
  return g;
}

function outputAll(g: Graph, results: readonly (Tensor | undefined)[]): void {
  for (const result of results) if (result) g.output(result);
}

function pixelsInput(g: Graph, { image }: VisionModel, images: number): Tensor {
  return g.input('u8', [dim('B', images), dim('rows', image.height), dim('columns*3', image.width * 3)]);
}

function featuresInput(g: Graph, { questions, tokens, width }: QuestionSize): Tensor {
  return g.input('f32', [dim('B', questions), dim('K', tokens), dim('Dq', width)]);
}

function lengthsInput(g: Graph, samples: number): Tensor {
  return g.input('i32', [ONE, ONE, dim('B', samples)]);
}

function streamInput(g: Graph, { tokens, width }: VisionModel, samples: number, images: Shared): Tensor {
  const stream = g.input(g.options.stream, [dim('B', images.entries), dim('M', tokens), dim('C', width)]);
  return spread(g.scope('images'), stream, samples, images);
}

function keyValuesInput(
  g: Graph,
  { fused, width }: VisionModel,
  { samples, questions, tokens }: Omit<FuseSize, 'images'>,
): Tensor {
  const shape = [dim('B', questions.entries), dim('K', tokens), dim('Lf*2C', fused.length * 2 * width)] as const;
  return spread(g.scope('questions'), g.input(g.options.dtype, shape), samples, questions);
}

/** One entry a sample. */
function spread(g: Graph, source: Tensor, samples: number, { entries, indexed }: Shared): Tensor {
  const batch = dim('B', samples);
  if (indexed) return gatherRows(g, source, g.input('i32', [ONE, ONE, batch]));
  return entries === samples ? source : source.broadcast(batch);
}
