import { expect } from 'chai';
import { type Player, ratioOf, repeatsFor, type Rounds, takeTurns } from '../../bench/run/turns';
import { quantile, spreadOf } from '../../bench/support/quantiles';

const roundsOf = (...ms: number[][]): Rounds => ({ ms, cpuMs: ms, peakBytes: 0, spentMs: 0 });

/** Says when it ran, and takes 1, 2, 3 ... milliseconds. */
function fake(name: string, log: string[]): Player {
  let total = 0;
  return {
    name,
    run: (count) => {
      log.push(`${name}${count}`);
      const ms = Array.from({ length: count }, () => (total += 1));
      return Promise.resolve({ ms, cpuMs: ms.map((value) => value * 2), peakBytes: total * 100 });
    },
  };
}

const fail = (): Promise<never> => Promise.reject(new Error('ended early'));

describe('bench/turns', () => {
  it('lets all have a turn before any has its next', async () => {
    const log: string[] = [];
    await takeTurns([fake('a', log), fake('b', log), fake('c', log)], { rounds: 3, count: 2, warm: 0 });
    expect(log.join(' ')).to.equal('a2 b2 c2 a2 b2 c2 a2 b2 c2');
  });

  it('does not count the repeats that warm up, but what they computed and held', async () => {
    const { times } = await takeTurns([fake('a', [])], { rounds: 2, count: 2, warm: 1 });
    expect(times.get('a')).to.deep.equal({
      ms: [
        [2, 3],
        [5, 6],
      ],
      cpuMs: [
        [4, 6],
        [10, 12],
      ],
      peakBytes: 600,
      spentMs: 42,
    });
  });

  it('goes on without one that fails, and says why', async () => {
    const log: string[] = [];
    const last: Player = { name: 'b', run: () => (log.length < 3 ? fake('b', log).run(1) : fail()) };
    const players = [fake('a', log), last, fake('c', log)];
    const { times, missing } = await takeTurns(players, { rounds: 3, count: 1, warm: 0 });
    expect(log.join(' ')).to.equal('a1 b1 c1 a1 c1 a1 c1');
    expect([...times.keys()]).to.deep.equal(['a', 'c']);
    expect(missing).to.deep.equal({ b: 'ended early' });
  });

  it('fails where the first does, with whom all are compared', async () => {
    const failure = await takeTurns([{ name: 'a', run: fail }, fake('b', [])], { rounds: 2, count: 1, warm: 0 }).then(
      () => undefined,
      (error: Error) => error.message,
    );
    expect(failure).to.equal('ended early');
  });

  it('compares within rounds, so that a slow hour does not count', () => {
    // The second round ran on a machine ten times as slow.
    const own = roundsOf([10, 10, 10], [100, 100, 100], [10, 11, 10]);
    const peer = roundsOf([20, 20, 20], [200, 200, 200], [19, 20, 21]);
    expect(ratioOf(peer, own)).to.deep.equal({ p10: 2, median: 2, p90: 2, rounds: [2, 2, 2] });
  });

  it('repeats what is short, and not what is long', () => {
    expect(repeatsFor(0.5)).to.deep.equal({ count: 20, warm: 1 });
    expect(repeatsFor(500)).to.deep.equal({ count: 3, warm: 1 });
    expect(repeatsFor(23_000)).to.deep.equal({ count: 1, warm: 0 });
  });
});

describe('bench/quantiles', () => {
  it('favour neither side of an even number of values', () => {
    const ten = [9, 1, 8, 2, 7, 3, 6, 4, 5, 10];
    expect(spreadOf(ten)).to.deep.equal({ p10: 1.5, median: 5.5, p90: 9.5 });
    expect(spreadOf([3, 1, 2])).to.deep.equal({ p10: 1, median: 2, p90: 3 });
    const [faster, slower] = [
      [1, 2],
      [2, 1],
    ].map((ms) => roundsOf(...ms.map((value) => [value])));
    expect(ratioOf(slower!, faster!).median).to.equal(ratioOf(faster!, slower!).median);
    expect([quantile(ten, 0), quantile(ten, 1), quantile([7], 0.5)]).to.deep.equal([1, 10, 7]);
    expect(quantile([], 0.5)).to.be.NaN;
    expect(ten[0], 'the list is left as it was').to.equal(9);
  });
});
