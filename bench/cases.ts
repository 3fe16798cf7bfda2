/** What `npm run bench` can measure, by name. */
import { BenchError } from './support/bench-error';

export const TOWERS = ['vit-b-32', 'vit-b-16', 'vit-l-14', 'vit-l-14-336'] as const;
/** For trying the harness; never measured unless it is named. */
export const TINY = 'tiny';
const DTYPES = ['f32', 'bf16', 'int8'] as const;

export type DType = (typeof DTYPES)[number];

/** Everything after the name is what another process needs to do the same work. */
export type Case =
  | { name: string; kind: 'kernels'; dtype: DType }
  | { name: string; kind: 'tower' | 'load'; tower: string; dtype: DType; images: number }
  | { name: string; kind: 'questions'; tower: string; dtype: DType; images: number; questions: number; tokens: number }
  | { name: string; kind: 'preprocess'; width: number; height: number; edge: number }
  | { name: string; kind: 'ask'; model: string };

export type ModelCase = Extract<Case, { tower: string }>;

function towerCases(tower: string, dtype: DType): Case[] {
  return [1, 8].map((images) => ({ name: `tower/${tower}/${dtype}/${images}`, kind: 'tower', tower, dtype, images }));
}

/** Pictures and questions, of which all pairs are asked for; question tokens K. */
const ASKED = [
  [1, 1, 32],
  [1, 4, 32],
  [1, 8, 32],
  [8, 1, 32],
  [1, 8, 8],
  [8, 1, 8],
] as const;

function questionCases(tower: string, dtype: DType): Case[] {
  return ASKED.map(([images, questions, tokens]) => ({
    name: `questions/${tower}/${dtype}/${images}x${questions}/k${tokens}`,
    kind: 'questions',
    tower,
    dtype,
    images,
    questions,
    tokens,
  }));
}

const each = (towers: readonly string[], casesOf: (tower: string, dtype: DType) => Case[]): Case[] =>
  towers.flatMap((tower) => DTYPES.flatMap((dtype) => casesOf(tower, dtype)));

const loadCase = (tower: string, dtype: DType): Case[] => [
  { name: `load/${tower}/${dtype}`, kind: 'load', tower, dtype, images: 1 },
];

/** Those that are soon done come first, for runs that end early. */
export const CASES: readonly Case[] = [
  ...DTYPES.map((dtype): Case => ({ name: `kernels/${dtype}`, kind: 'kernels', dtype })),
  { name: 'preprocess/1920x1080', kind: 'preprocess', width: 1920, height: 1080, edge: 336 },
  { name: 'ask/demo', kind: 'ask', model: 'demo' },
  ...each(TOWERS, towerCases),
  ...each(TOWERS, loadCase),
  ...each(['vit-b-16', 'vit-l-14-336'], questionCases),
  ...each([TINY], (tower, dtype) => [
    ...towerCases(tower, dtype),
    ...loadCase(tower, dtype),
    ...questionCases(tower, dtype),
  ]),
];

/** What decides most, in half an hour. */
export const DEFAULT_PATTERNS = 'kernels,preprocess,ask,tower/*/*/1,load/vit-l-14-336,questions/vit-l-14-336/*/1x8/k32';

function matches(name: string, pattern: string): boolean {
  const [found, wanted] = [name.split('/'), pattern.split('/')];
  return wanted.length <= found.length && wanted.every((part, i) => part === '*' || part === found[i]);
}

/**
 * Cases by patterns, in the order of CASES: `tower` is every case that begins so, `*` any one part (`tower/*\/f32/1`), `none` no case.
 *
 * @throws BenchError that lists what there is, for a pattern that meets nothing
 */
export function selectCases(patterns: string, all: readonly Case[] = CASES): Case[] {
  if (patterns === 'none') return [];
  const chosen = new Set<Case>();
  for (const pattern of patterns.split(',').map((text) => text.trim())) {
    const hits = all.filter(({ name }) => matches(name, pattern));
    // A tower that means nothing has no place among figures, unless somebody asks for it.
    const wanted = pattern.includes(TINY) ? hits : hits.filter((entry) => !('tower' in entry) || entry.tower !== TINY);
    if (wanted.length === 0)
      throw new BenchError(`Expected cases of\n${listCases(all)}\nfor --cases but received '${pattern}'`);
    for (const hit of wanted) chosen.add(hit);
  }
  return all.filter((entry) => chosen.has(entry));
}

/** Their names, those that begin alike on one line. */
export function listCases(all: readonly Case[] = CASES): string {
  const groups = new Map<string, string[]>();
  for (const { name } of all) {
    const parts = name.split('/');
    const start = parts.slice(0, 2).join('/');
    const rest = parts.slice(2).join('/');
    groups.set(start, [...(groups.get(start) ?? []), ...(rest ? [rest] : [])]);
  }
  return [...groups]
    .map(([start, rest]) => (rest.length === 0 ? `  ${start}` : `  ${start}/ ${rest.join(' ')}`))
    .join('\n');
}
