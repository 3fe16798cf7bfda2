import { expect } from 'chai';
import { QAViT } from '../../lib';
import { loadAddon } from '../../lib/binding/load';
import type { OpDescription } from '../../lib/binding/native';
import { describePlan, type Graph, parametersOf } from '../../lib/graph';
import {
  attendPlan,
  encodePlan,
  type EncodeSize,
  fusePlan,
  listenPlan,
  lookPlan,
  plainPlan,
} from '../../lib/models/plans';
import type { VisionModel } from '../../lib/models/qavit';
import { openVision, type VisionOptions } from '../../lib/qavit/open-vision';
import { expectRejection } from '../support/expect-error';
import { type RandomModelOptions, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const F32 = { dtype: 'f32', stream: 'f32' } as const;
const ONE = { entries: 1, indexed: false };
const FUSE = { samples: 1, images: ONE, questions: ONE, tokens: 8 };

describe('plans', () => {
  const at = temporaryFolder();

  async function open(options: RandomModelOptions = {}, opening: VisionOptions = {}): Promise<VisionModel> {
    const vision = await openVision(writeRandomModel(at('model'), options), opening);
    vision.close();
    return vision.model;
  }

  const ops = (graph: Graph): readonly OpDescription[] => describePlan(graph).description.ops;
  const layersIn = (graph: Graph): number[] => [
    ...new Set(
      ops(graph)
        .flatMap(({ name }) => /(?:^|\.)layers\.(\d+)\.layer_norm1$/.exec(name)?.[1] ?? [])
        .map(Number),
    ),
  ];
  const count = (graph: Graph, op: OpDescription['op']): number => ops(graph).filter((each) => each.op === op).length;

  it('split the layers at the first fused one', async () => {
    const model = await open();
    expect(layersIn(lookPlan(model, F32, 1))).to.deep.equal([0, 1]);
    expect(layersIn(fusePlan(model, F32, FUSE, 'tower'))).to.deep.equal([2, 3]);
    expect(layersIn(plainPlan(model, F32, 1, ONE, 'tower'))).to.deep.equal([2, 3]);
  });

  it('compute nothing above the layer that is taken', async () => {
    for (const [vision_feature_layer, last] of [
      [-1, 3],
      [-2, 2],
      [3, 2],
    ] as const) {
      const model = await open({ adapterConfig: { vision_feature_layer } });
      expect(layersIn(lookPlan(model, F32, 1))).to.deep.equal([0, 1]);
      const rest = last === 3 ? [2, 3] : [2];
      expect(layersIn(fusePlan(model, F32, FUSE, 'projected'))).to.deep.equal(rest);
      expect(model.fused).to.deep.equal(rest);
      const parameters = parametersOf(fusePlan(model, F32, FUSE, 'projected')).map(({ name }) => name);
      expect(parameters.some((name) => name.includes('layers.3.'))).to.equal(last === 3);
    }
  });

  it('compute what questions of one picture share in the first fused layer once', async () => {
    const model = await open();
    const rowsOf = (graph: Graph): Record<string, number> =>
      Object.fromEntries(
        ops(graph).map(({ name, views }) => [name, (views.y ?? views.out ?? views.x)!.shape[0]] as const),
      );
    const questions = { entries: 8, indexed: false };
    const one = rowsOf(fusePlan(model, F32, { samples: 8, images: ONE, questions, tokens: 8 }, 'tower'));
    expect(one).to.include({
      'layers.2.layer_norm1': 1,
      'layers.2.self_attn.qkv': 1,
      'layers.2.self_attn': 8,
      'layers.2.self_attn.out_proj': 8,
      'layers.3.self_attn.qkv': 8,
    });
    const images = { entries: 8, indexed: false };
    const apart = rowsOf(fusePlan(model, F32, { samples: 8, images, questions, tokens: 8 }, 'tower'));
    expect(new Set(Object.values(apart))).to.deep.equal(new Set([8]));
  });

  it('listen in three operations, whatever the number of layers', async () => {
    const size = { questions: 1, tokens: 8, width: 24 };
    expect(ops(listenPlan(await open(), F32, size)).map(({ op }) => op)).to.deep.equal([
      'layer_norm',
      'linear',
      'linear',
    ]);
    const unfolded = await open({}, { folds: false });
    expect(count(listenPlan(unfolded, F32, size), 'linear')).to.equal(6);
  });

  it('hold each published operation apart without folds', async () => {
    const folded = ops(fusePlan(await open(), F32, FUSE, 'tower')).filter(({ op }) => op === 'gated_projection');
    expect(folded.map(({ weights }) => Object.keys(weights))).to.deep.equal(Array(2).fill(['weight', 'bias']));
    const dual = ops(fusePlan(await open({}, { folds: false }), F32, FUSE, 'tower'));
    const gates = dual.filter(({ op }) => op === 'gated_projection');
    expect(gates.map(({ weights }) => Object.keys(weights))).to.deep.equal(
      Array(2).fill(['weight', 'bias', 'gate_weight', 'gate_bias']),
    );
  });

  it('put the scale into the weights where that is exact, and only there', async () => {
    const scaleOf = async (options: RandomModelOptions, folds = true) => {
      const graph = plainPlan(await open(options, { folds }), F32, 1, ONE, 'tower');
      return ops(graph).find(({ op }) => op === 'concat_attention')?.attributes.scale;
    };
    expect(await scaleOf({ width: 32, heads: 2 })).to.equal(1); // D = 16
    expect(await scaleOf({ width: 32, heads: 2 }, false)).to.equal(0.25);
    expect(await scaleOf({ width: 48, heads: 2 })).to.equal(24 ** -0.5);
  });

  it('use the frozen projection alone without a question', async () => {
    const graph = plainPlan(await open(), F32, 1, ONE, 'tower');
    expect(count(graph, 'gated_projection')).to.equal(0);
    expect(ops(graph).filter(({ views }) => views.question_k)).to.have.length(0);
  });

  it('repeat pictures and questions without copies where they can', async () => {
    const model = await open();
    const fuse = (samples: number, images: typeof ONE, questions: typeof ONE) =>
      count(fusePlan(model, F32, { samples, images, questions, tokens: 8 }, 'tower'), 'gather_rows');
    expect(fuse(3, { entries: 3, indexed: false }, ONE)).to.equal(0);
    expect(fuse(3, ONE, { entries: 3, indexed: false })).to.equal(0);
    expect(fuse(3, { entries: 2, indexed: true }, { entries: 2, indexed: true })).to.equal(2);
  });

  it('of a whole encoding are those of its parts, one after another', async () => {
    const model = await open();
    const questions = { ...ONE, tokens: 8, width: 24 };
    const names = (...graphs: Graph[]) => graphs.flatMap((graph) => ops(graph).map(({ name }) => name));
    const [look, listen] = [lookPlan(model, F32, 1), listenPlan(model, F32, { ...questions, questions: 1 })];
    const whole = (size: Pick<EncodeSize, 'questions'>) =>
      encodePlan(model, F32, { samples: 1, images: ONE, ...size }, 'projected');
    expect(names(whole({ questions }))).to.deep.equal(names(look, listen, fusePlan(model, F32, FUSE, 'projected')));
    expect(names(whole({}))).to.deep.equal(names(look, plainPlan(model, F32, 1, ONE, 'projected')));
  });

  it('watch the attention of every fused layer in attend only', async () => {
    const model = await open();
    expect(count(attendPlan(model, F32, 8), 'question_attention')).to.equal(2);
    expect(count(fusePlan(model, F32, FUSE, 'tower'), 'question_attention')).to.equal(0);
  });

  it('compile on every device', async () => {
    for (const kind of ['reference', 'cpu'] as const) {
      const device = new (loadAddon().Device)({ kind });
      await device.close();
      await using model = await QAViT.load(writeRandomModel(at('model')), { device: kind });
      expect(model.info.device.kind).to.equal(kind);
    }
  });

  it('refuse an adapter whose layers are never computed', async () => {
    const late = open({ adapterConfig: { vision_feature_layer: 2 } });
    await expectRejection(late, 'ERR_FORMAT', /a fused layer below 2, where the tower ends,.* layers 2, 3/);
  });
});
