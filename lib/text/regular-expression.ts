/** As how many ways to match a repetition without end counts: an ordinary text has so many characters of a kind in a row. */
const MANY = 64;
/** Three repetitions without end one behind another, and a choice or two; those in use have two. */
const MAX_WAYS = 2 ** 20;

/** What is known of an expression of Oniguruma's, on the safe side. */
export interface Expression {
  /**
   * A search may take so many steps for an ordinary text that the library gives up: what may match in several ways is repeated, as in
   * `(a*)*b` and `(a|a)*b`, or there is much of it one behind another, as in `a*a*a*a*b` and twenty `a?`. Whether the ways exclude each
   * other is not known.
   */
  readonly mayExplode: boolean;
  /** It may match between two characters. */
  readonly mayBeEmpty: boolean;
}

interface Part {
  /** In how many ways it may match texts of one place. */
  readonly ways: number;
  readonly mayBeEmpty: boolean;
}

interface Group {
  /** The alternatives before the one that is read. */
  before: Part;
  /** That one up to its last part, which a repetition may follow. */
  read: Part;
  last: Part;
  /** A look around: of no length. */
  readonly isLook: boolean;
}

const NOTHING: Part = { ways: 1, mayBeEmpty: true };
const CHARACTER: Part = { ways: 1, mayBeEmpty: false };
const ANYTHING: Expression = { mayExplode: true, mayBeEmpty: true };

/** Options for all that follows change nothing here; further inside they would also regroup it. */
const OPTIONS = /^\(\?[im-]*\)/;
/** Groups whose contents are an expression as outside: no comments, conditions, calls, nor blanks that count for nothing. */
const OPENING = /^\((?:(?![?*])|\?(?:[:>=!]|<[=!]|<\w+>|'\w+'|[im-]+:))/;
/** The edge of something, or a new beginning. */
const PLACE = /^(\^|\$|\\[bBAzZGyYK])/;
const REFERENCE = /^\\(k(<[^>]*>|'[^']*')|[1-9]\d*)/;

export function readExpression(source: string): Expression {
  const groups = [openGroup(false)];
  for (let i = OPTIONS.exec(source)?.[0].length ?? 0; i < source.length;) {
    const group = groups.at(-1)!;
    const ahead = source.slice(i, i + 80);
    const times = repetition(ahead);
    if (times) {
      i += times.length;
      // Where nothing is left that could fail, the first way is the last.
      const isEnd = groups.length === 1 && /^(\||$)/.test(source.slice(i, i + 1));
      if (group.last.ways > 1 && times.most > 1 && !isEnd) return ANYTHING;
      group.last = repeated(group.last, times);
    } else if (ahead.startsWith('(')) {
      const opening = OPENING.exec(ahead)?.[0];
      if (opening === undefined) return ANYTHING;
      groups.push(openGroup(/[=!]$/.test(opening)));
      i += opening.length;
    } else if (ahead.startsWith(')')) {
      const outer = groups.at(-2);
      // One too many is the library's to refuse.
      if (!outer) break;
      groups.pop();
      const { ways, mayBeEmpty } = whole(group);
      append(outer, { ways, mayBeEmpty: mayBeEmpty || group.isLook });
      i += 1;
    } else if (ahead.startsWith('|')) {
      group.before = whole(group);
      group.read = group.last = NOTHING;
      i += 1;
    } else {
      if (ahead.startsWith('\\g')) return ANYTHING;
      const reference = REFERENCE.exec(ahead)?.[0];
      append(group, reference ? { ways: 2, mayBeEmpty: true } : PLACE.test(ahead) ? NOTHING : CHARACTER);
      i = reference ? i + reference.length : endOfAtom(source, i);
    }
    if (whole(groups.at(-1)!).ways > MAX_WAYS) return ANYTHING;
  }
  return { mayExplode: false, mayBeEmpty: groups.some((group) => whole(group).mayBeEmpty) };
}

function openGroup(isLook: boolean): Group {
  return { before: { ways: 0, mayBeEmpty: false }, read: NOTHING, last: NOTHING, isLook };
}

function append(group: Group, part: Part): void {
  group.read = inARow(group.read, group.last);
  group.last = part;
}

function inARow(a: Part, b: Part): Part {
  return { ways: a.ways * b.ways, mayBeEmpty: a.mayBeEmpty && b.mayBeEmpty };
}

function whole({ before, read, last }: Group): Part {
  const one = inARow(read, last);
  return { ways: before.ways + one.ways, mayBeEmpty: before.mayBeEmpty || one.mayBeEmpty };
}

function repeated({ ways, mayBeEmpty }: Part, { least, most }: Repetition): Part {
  return { ways: ways * (most === Infinity ? MANY : most - least + 1), mayBeEmpty: mayBeEmpty || least === 0 };
}

interface Repetition {
  readonly least: number;
  readonly most: number;
  /** Of how it is written. */
  readonly length: number;
}

function repetition(ahead: string): Repetition | undefined {
  // Behind a sign, ? makes it lazy and + possessive.
  const sign = /^[*+?][?+]?/.exec(ahead)?.[0];
  if (sign) {
    return { least: sign.startsWith('+') ? 1 : 0, most: sign.startsWith('?') ? 1 : Infinity, length: sign.length };
  }
  // Behind one number, ? is a repetition of its own.
  const counts = /^\{(\d*)(?:,(\d*)\}\??|\})/.exec(ahead);
  if (!counts) return undefined;
  const [{ length }, from = '', to = from] = counts;
  if (from === '' && to === '') return undefined;
  const [a, b] = [Number(from), to === '' ? Infinity : Number(to)];
  // The larger number may come first.
  return { least: Math.min(a, b), most: Math.max(a, b), length };
}

/** Behind a character, an escape or a class of characters. */
function endOfAtom(source: string, at: number): number {
  if (source[at] === '\\') {
    const braced = /^\\[pPxou]\{[^}]*\}/.exec(source.slice(at, at + 80));
    return at + (braced?.[0].length ?? 2);
  }
  if (source[at] !== '[') return at + 1;
  let depth = 0;
  let i = at;
  do {
    if (source[i] === '\\') i++;
    else if (source[i] === '[') {
      depth++;
      // A bracket in the first place is one of the characters.
      i += /^\[\^?\]/.exec(source.slice(i, i + 3))?.[0].slice(1).length ?? 0;
    } else if (source[i] === ']') depth--;
    i++;
  } while (depth > 0 && i < source.length);
  return i;
}
