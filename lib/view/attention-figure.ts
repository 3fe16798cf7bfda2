import type { Figure, Panel, PicturePanel, Scale } from './figure';
import type { PatchSet } from './outline';
import type { RgbPicture } from './overlay';
import { commonRange, type PatchGrid, type Range } from './patch-grid';

/** What one question does to a picture's patches. */
export interface QuestionEffect {
  question: string;
  /** What the model answered, if it was asked. */
  answer?: string;
  /** ||with the question - plain ViT|| / ||plain ViT|| of each patch's feature. */
  change: PatchGrid;
  /** Share of each patch's attention that goes to the question's tokens, mean over heads and fused layers. */
  attention: PatchGrid;
  /** The patches of those tokens that are rated highest. */
  best?: PatchSet;
}

export interface AttentionFigureInput {
  /** The picture as the tower sees it: resized, cropped, and of whole patches. */
  picture: RgbPicture;
  /** 1 - cosine between each patch's feature and the mean of all, without any question. */
  plain: PatchGrid;
  /** One question, or two to compare. */
  questions: readonly QuestionEffect[];
  /** Of two questions: ||A - B|| / ||plain ViT|| of each patch's feature. */
  between?: PatchGrid;
  /** tanh(beta) of each fused layer. */
  gates: readonly { layer: number; value: number }[];
  /** Said under the headline: model, device. */
  subtitle: string;
  /** Of how many tokens each question's `best` are the patches. */
  outlined?: number;
}

/** Decimals that tell the ends of a range apart, and what lies a tenth between them; a picture of one colour has a very narrow one. */
function decimalsWithin(span: number): number {
  return span > 0 ? Math.min(8, Math.max(0, Math.ceil(-Math.log10(span)) + 1)) : 0;
}

function numberWithin({ low, high }: Range): (value: number) => string {
  return (value) => value.toFixed(decimalsWithin(high - low));
}

function percentWithin({ low, high }: Range): (value: number) => string {
  return (value) => `${(value * 100).toFixed(decimalsWithin((high - low) * 100))} %`;
}

function shared(label: string, grids: readonly PatchGrid[], formatWithin: (range: Range) => Scale['format']): Scale {
  const range = commonRange(grids);
  return { label, range, format: formatWithin(range) };
}

/** One panel a question, on one scale. */
function panelsOf(
  { picture, questions }: AttentionFigureInput,
  what: 'change' | 'attention',
  label: string,
  words: (effect: QuestionEffect, name: string) => Omit<PicturePanel, 'kind' | 'picture' | 'map'>,
): Panel[] {
  const scale = shared(
    label,
    questions.map((effect) => effect[what]),
    percentWithin,
  );
  return questions.map((effect, i) => {
    const name = questions.length > 1 ? `question ${'AB'[i] ?? i + 1}` : 'the question';
    return { kind: 'picture', ...words(effect, name), picture, map: { grid: effect[what], scale } };
  });
}

/**
 * The picture to show a colleague: the picture, the plain ViT, and for each question how far it moved every patch's feature; below, the
 * gates and how much attention every patch pays to the question. Questions share their scales, so that they can be compared.
 */
export function attentionFigure(input: AttentionFigureInput): Figure {
  const { picture, plain, between, gates, subtitle, outlined } = input;
  const note = `Outlined: ${outlined === 1 ? 'the token' : `the ${outlined} tokens`} rated highest for `;
  const changes = panelsOf(input, 'change', 'feature changed by', ({ question, answer, best }, name) => ({
    title: `With ${name}`,
    // The question comes last: it may be long, and what does not fit is left out.
    caption: `${best ? note : ''}“${question}”`,
    highlight: answer === undefined ? undefined : `→ ${answer.trim() || '(no answer)'}`,
    outlined: best,
  }));
  const attentions = panelsOf(input, 'attention', 'of its attention', (_, name) => ({
    title: `Attention to ${name}`,
    caption: 'Share of each patch’s attention that goes to the question, mean of heads and fused layers.',
  }));
  const original: Panel = {
    kind: 'picture',
    title: 'Picture',
    caption: `As the encoder sees it, ${picture.width} × ${picture.height} pixels.`,
    picture,
  };
  const withoutQuestion: Panel = {
    kind: 'picture',
    title: 'Plain ViT',
    caption: 'No question: which patches stand out from the rest of the picture.',
    picture,
    map: { grid: plain, scale: shared('distance from the mean patch', [plain], numberWithin) },
  };
  const bars: Panel = {
    kind: 'bars',
    title: 'Gates of the fused layers, tanh(β)',
    caption: 'How much of its question-aware projection each layer adds to the frozen one; 0 is nothing.',
    bars: gates.map(({ layer, value }) => ({ label: `layer ${layer}`, value })),
    span: between ? 1 : 2,
  };
  const against: Panel[] = between
    ? [
        {
          kind: 'picture',
          title: 'Question A against question B',
          caption: 'How differently the two questions make the encoder see each patch.',
          picture,
          map: { grid: between, scale: shared('features differ by', [between], percentWithin) },
        },
      ]
    : [];
  return {
    title: 'What the question changes in the vision encoder',
    subtitle,
    rows: [
      [original, withoutQuestion, ...changes],
      [bars, ...against, ...attentions],
    ],
  };
}
