import type { Figure, Panel, Scale } from './figure';
import type { RgbPicture } from './overlay';
import { commonRange, type PatchGrid } from './patch-grid';

/** What one question does to a picture's patches. */
export interface QuestionEffect {
  question: string;
  /** What the model answered, if it was asked. */
  answer?: string;
  /** ||with the question - plain ViT|| / ||plain ViT|| of each patch's feature. */
  change: PatchGrid;
  /** Share of each patch's attention that goes to the question's tokens, mean over heads and fused layers. */
  attention: PatchGrid;
}

export interface AttentionFigureInput {
  /** The picture as the tower sees it: resized and cropped. */
  picture: RgbPicture;
  /** 1 - cosine between each patch's feature and the mean of all, without any question. */
  plain: PatchGrid;
  /** One question, or two to compare. */
  questions: readonly QuestionEffect[];
  /** tanh(beta) of each fused layer. */
  gates: readonly { layer: number; value: number }[];
  /** Said under the headline: model, device. */
  subtitle: string;
}

const percent = (value: number): string => {
  const hundredths = value * 100;
  return `${hundredths.toFixed(Math.abs(hundredths) < 10 ? 1 : 0)} %`;
};

/**
 * The picture to show a colleague: the picture, the plain ViT, and for each question how far it moved every patch's feature; below, the
 * gates and how much attention every patch pays to the question. Questions share their scales, so that they can be compared.
 */
export function attentionFigure({ picture, plain, questions, gates, subtitle }: AttentionFigureInput): Figure {
  const nameOf = (i: number): string => (questions.length > 1 ? `Question ${'AB'[i] ?? i + 1}` : 'With the question');
  const scale = (label: string, grids: readonly PatchGrid[], format = percent): Scale => ({
    label,
    range: commonRange(grids),
    format,
  });
  const change = scale(
    'feature changed by',
    questions.map((effect) => effect.change),
  );
  const attention = scale(
    'of its attention',
    questions.map((effect) => effect.attention),
  );
  const standsOut = scale('distance from the mean patch', [plain], (value) => value.toFixed(2));

  const effects: Panel[] = questions.map((effect, i) => ({
    kind: 'picture',
    title: nameOf(i),
    caption: `“${effect.question}”`,
    ...(effect.answer === undefined ? {} : { highlight: `→ ${effect.answer.trim() || '(no answer)'}` }),
    picture,
    map: { grid: effect.change, scale: change },
  }));
  const looks: Panel[] = questions.map((effect, i) => ({
    kind: 'picture',
    title: questions.length > 1 ? `Attention to question ${'AB'[i] ?? i + 1}` : 'Attention to the question',
    caption: 'Share of each patch’s attention that goes to the question, mean of heads and fused layers.',
    picture,
    map: { grid: effect.attention, scale: attention },
  }));
  const bars: Panel = {
    kind: 'bars',
    title: 'Gates of the fused layers, tanh(β)',
    caption: 'How much of its question-aware projection each layer adds to the frozen one; 0 adds nothing.',
    bars: gates.map(({ layer, value }) => ({ label: `layer ${layer}`, value })),
    span: 2,
  };
  return {
    title: 'What the question changes in the vision encoder',
    subtitle,
    rows: [
      [
        {
          kind: 'picture',
          title: 'Picture',
          caption: `As the encoder sees it, ${picture.width} × ${picture.height} pixels.`,
          picture,
        },
        {
          kind: 'picture',
          title: 'Plain ViT',
          caption: 'No question: which patches stand out from the rest of the picture.',
          picture,
          map: { grid: plain, scale: standsOut },
        },
        ...effects,
      ],
      [bars, ...looks],
    ],
  };
}
