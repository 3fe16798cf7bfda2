/** Unbounded repetitions one behind another; those in use have two. */
const MAX_IN_A_ROW = 3;

/** What is known of an expression of Oniguruma's, on the safe side. */
export interface Expression {
  /**
   * A search may take so many steps for an ordinary text that the library gives up: what may match in several ways is repeated, as in
   * `(a*)*b` and `(a|a)*b`, or much is repeated one behind another, as in `a*a*a*a*b`. Whether the ways exclude each other is not known.
   */
  readonly mayExplode: boolean;
  /** It may match between two characters. */
  readonly mayBeEmpty: boolean;
}

interface Part {
  /** It may match texts of one place in several ways. */
  varies: boolean;
  mayBeEmpty: boolean;
  /** Unbounded repetitions one behind another. */
  row: number;
}

/** The alternative that is read, and of those before it the worst. */
interface Group extends Part {
  before: Part;
  /** A look around: of no length. */
  readonly isLook: boolean;
}

export function readExpression(source: string): Expression {
  const groups: Group[] = [openGroup(false)];
  let part: Part = nothing();
  let mayExplode = false;
  for (let i = 0; i < source.length;) {
    const group = groups.at(-1)!;
    const char = source[i]!;
    const times = repetition(source, i);
    if (times) {
      // Where nothing is left that could fail, the first way is the last.
      const last = groups.length === 1 && /^(\||$)/.test(source.slice(i + times.length, i + times.length + 1));
      mayExplode ||= part.varies && times.most > 1 && !last;
      if (times.most === Infinity) group.row += 1;
      part.varies ||= times.least !== times.most;
      group.varies ||= part.varies;
      if (times.least === 0) group.mayBeEmpty = part.mayBeEmpty;
      i += times.length;
    } else if (char === '(') {
      groups.push(openGroup(/^\(\?<?[=!]/.test(source.slice(i, i + 4))));
      i += source[i + 1] === '?' ? 2 : 1;
    } else if (char === ')') {
      const outer = groups.at(-2);
      // One too many is the library's to refuse.
      if (!outer) break;
      groups.pop();
      const whole = join(group);
      // What the group would be without it, for a repetition that allows that.
      part = { varies: whole.varies, mayBeEmpty: outer.mayBeEmpty, row: whole.row };
      outer.row += whole.row;
      outer.varies ||= whole.varies;
      outer.mayBeEmpty &&= whole.mayBeEmpty || group.isLook;
      i += 1;
    } else if (char === '|') {
      group.before = { ...join(group), varies: true };
      [group.row, group.varies, group.mayBeEmpty] = [0, true, true];
      i += 1;
    } else {
      // What refers to a group may be anything.
      part = { varies: /^\\[kg1-9]/.test(source.slice(i, i + 2)), mayBeEmpty: group.mayBeEmpty, row: 0 };
      group.mayBeEmpty &&= part.varies || /^(\^|\$|\\[bBAzZG])/.test(source.slice(i, i + 2));
      i = endOfAtom(source, i);
    }
    mayExplode ||= groups.some(({ row }) => row > MAX_IN_A_ROW);
    if (mayExplode) break;
  }
  return { mayExplode, mayBeEmpty: groups.some((group) => join(group).mayBeEmpty) };
}

const nothing = (): Part => ({ varies: false, mayBeEmpty: false, row: 0 });

const openGroup = (isLook: boolean): Group => ({ ...nothing(), mayBeEmpty: true, before: nothing(), isLook });

function join({ before, varies, mayBeEmpty, row }: Group): Part {
  return {
    varies: varies || before.varies,
    mayBeEmpty: mayBeEmpty || before.mayBeEmpty,
    row: Math.max(row, before.row),
  };
}

function repetition(source: string, at: number): { least: number; most: number; length: number } | undefined {
  // Behind a sign, ? makes it lazy and + possessive.
  const sign = /^[*+?][?+]?/.exec(source.slice(at, at + 2))?.[0];
  if (sign) {
    return { least: sign.startsWith('+') ? 1 : 0, most: sign.startsWith('?') ? 1 : Infinity, length: sign.length };
  }
  const counts = /^\{(\d*)(,?)(\d*)\}\??/.exec(source.slice(at, at + 40));
  if (!counts || (counts[1] === '' && counts[3] === '')) return undefined;
  const [all, least = '', comma, most = ''] = counts;
  const open = most === '' ? Infinity : Number(most);
  return { least: Number(least), most: comma ? open : Number(least), length: all.length };
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
