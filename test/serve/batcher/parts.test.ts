import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { resolveLimits } from '../../../lib/image/limits';
import { chooseReplica } from '../../../lib/serve/batcher/choose-replica';
import { Buckets } from '../../../lib/serve/batcher/buckets';
import { FairQueue } from '../../../lib/serve/batcher/fair-queue';
import { Looking } from '../../../lib/serve/batcher/looking';
import { PictureCache } from '../../../lib/serve/batcher/picture-cache';
import { QuestionCache } from '../../../lib/serve/batcher/question-cache';
import { FairSlots } from '../../../lib/serve/batcher/fair-slots';
import type { Replica } from '../../../lib/serve/batcher/replica';
import { readAhead } from '../../../lib/serve/batcher/read-ahead';
import { SharedWork } from '../../../lib/serve/batcher/shared-work';
import { openSource, questionKey } from '../../../lib/serve/batcher/sources';
import { expectRejection } from '../../support/expect-error';
import { FakeClock, settle } from './fake-clock';
import { FakeLooked, FakeModel } from './fake-model';

const looked = (bytes = 100) => new FakeLooked({ data: Uint8Array.of(1), width: 1, height: 1 }, bytes);

describe('the choice of a replica', () => {
  const replica = (load: number, { knows = false, resting = false } = {}) =>
    ({ load, resting, pictures: { has: (key: string) => knows && key === 'picture' } }) as unknown as Replica;
  const chosen = (...replicas: Replica[]) => replicas.indexOf(chooseReplica(replicas, 'picture', 4));

  it('is the one with least to do, the first of equals', () => {
    expect(chosen(replica(3), replica(1), replica(2), replica(1))).to.equal(1);
    expect(chosen(replica(0), replica(0))).to.equal(0);
  });

  it('is the idlest that knows the picture, unless that has more than a batch more to do', () => {
    const knows = true;
    expect(chosen(replica(0), replica(4, { knows }))).to.equal(1);
    expect(chosen(replica(0), replica(5, { knows }))).to.equal(0);
    expect(chosen(replica(4, { knows }), replica(1), replica(3, { knows }))).to.equal(2);
  });

  it('passes over those that rest, while there are others', () => {
    const [knows, resting] = [true, true];
    expect(chosen(replica(0, { knows, resting }), replica(9))).to.equal(1);
    expect(chosen(replica(1, { resting }), replica(0, { resting }))).to.equal(1);
  });
});

describe('looking at pictures', () => {
  const wanted = (...numbers: number[]) =>
    new Map(numbers.map((number) => [`${number}`, { data: Uint8Array.of(number), width: 1, height: 1 }]));
  const { signal } = new AbortController();

  it('holds none when one cannot be looked at', async () => {
    const cache = new PictureCache(1000);
    const model = new FakeModel();
    const { look } = model.stages;
    model.stages.look = (pictures) =>
      pictures.some(({ data }) => data[0] === 3) ? Promise.reject(new Error('three')) : look(pictures);
    const looking = new Looking(model, cache);
    for (const lease of (await looking.lookAt(wanted(1), signal)).values()) lease.release();
    // One is known, one is being looked at for another, one fails.
    const other = looking.lookAt(wanted(2), signal);
    const failure = await looking.lookAt(wanted(1, 2, 3), signal).catch((error: Error) => error.message);
    expect(failure).to.equal('three');
    cache.clear();
    expect(model.pictures.map(({ disposed }) => disposed)).to.deep.equal([true, false]);
    for (const lease of (await other).values()) lease.release();
    expect(model.pictures.map(({ disposed }) => disposed)).to.deep.equal([true, true]);
    // What failed is tried anew.
    model.stages.look = look;
    expect([...(await looking.lookAt(wanted(3), signal)).keys()]).to.deep.equal(['3']);
  });

  it('stops when the last batch that waits for it does, and begins anew for the next', async () => {
    const model = new FakeModel();
    model.heldLooking = true;
    const looking = new Looking(model, new PictureCache(1000));
    const [first, second] = [new AbortController(), new AbortController()];
    const ends = [looking.lookAt(wanted(1, 2), first.signal), looking.lookAt(wanted(2), second.signal)].map((all) =>
      all.catch((error: Error) => error.message),
    );
    first.abort();
    await settle();
    expect(model.waiting).to.equal(1);
    second.abort();
    const next = looking.lookAt(wanted(2), signal);
    expect(await Promise.all(ends)).to.deep.equal(['aborted', 'aborted']);
    model.release();
    expect([...(await next).keys()]).to.deep.equal(['2']);
    expect(model.looked).to.deep.equal([[1, 2], [2]]);
    for (const each of [signal, first.signal, second.signal]) {
      expect(getEventListeners(each, 'abort')).to.have.length(0);
    }
    await expectRejection(looking.lookAt(wanted(3), first.signal), 'ERR_ABORTED');
    expect(model.looked).to.have.length(2);
  });

  it('goes on for the other batch when one that waits for it stops', async () => {
    const model = new FakeModel();
    model.heldLooking = true;
    const looking = new Looking(model, new PictureCache(0));
    const first = new AbortController();
    const [left, kept] = [looking.lookAt(wanted(1), first.signal), looking.lookAt(wanted(1), signal)];
    first.abort();
    await settle();
    model.release();
    for (const lease of (await left).values()) lease.release();
    const [picture] = model.pictures;
    expect(picture?.disposed).to.equal(false);
    for (const lease of (await kept).values()) lease.release();
    expect(picture?.disposed).to.equal(true);
  });
});

describe('the caches of a Batcher', () => {
  it('dispose of the picture used least recently when they are full', () => {
    const cache = new PictureCache(250);
    const pictures = [looked(), looked(), looked()];
    cache.add('a', pictures[0]!).release();
    cache.add('b', pictures[1]!).release();
    cache.lease('a')!.release();
    cache.add('c', pictures[2]!).release();
    expect(pictures.map(({ disposed }) => disposed)).to.deep.equal([false, true, false]);
    expect(cache.bytes).to.equal(200);
    expect(cache.lease('b')).to.equal(undefined);
  });

  it('dispose of no picture under a call that uses it', () => {
    const cache = new PictureCache(100);
    const [used, other] = [looked(), looked()];
    const lease = cache.add('a', used);
    const second = lease.another();
    cache.add('b', other).release();
    expect(cache.has('a')).to.equal(false);
    lease.release();
    lease.release();
    expect(used.disposed).to.equal(false);
    second.release();
    expect(used.disposed).to.equal(true);
    cache.clear();
    expect(other.disposed).to.equal(true);
  });

  it('keep nothing that is larger than they are, and nothing at all when told so', () => {
    for (const bytes of [50, 0]) {
      const cache = new PictureCache(bytes);
      const picture = looked();
      const lease = cache.add('a', picture);
      expect(cache.has('a')).to.equal(false);
      expect(picture.disposed).to.equal(false);
      lease.release();
      expect(picture.disposed).to.equal(true);
    }
  });

  it('bound questions in bytes, and hear one once that several ask', async () => {
    const heard: string[] = [];
    const cache = new QuestionCache(3 * 4 * 10 + 3 * 3, (question) => {
      heard.push(question);
      return Promise.resolve({ data: new Float32Array(10), shape: [10, 1] });
    });
    const { signal } = new AbortController();
    await Promise.all(['a', 'a', 'a'].map((question) => cache.get(question, signal)));
    await cache.get('b', signal);
    await cache.get('a', signal);
    expect(heard).to.deep.equal(['a', 'b']);
    await cache.get('c', signal);
    await cache.get('d', signal);
    expect(cache.bytes).to.be.at.most(129);
    expect(cache.has('b')).to.equal(false);
    expect(cache.has('d')).to.equal(true);
  });

  it('count the words of a question as well as its features', async () => {
    const cache = new QuestionCache(1e6, () => Promise.resolve({ data: new Float32Array(10), shape: [10, 1] }));
    await cache.get('x'.repeat(1000), new AbortController().signal);
    expect(cache.bytes).to.be.within(2040, 2100);
  });
});

describe('a FairQueue', () => {
  it('gives turns to clients, and knows who has most waiting', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1']) queue.push(item[0]!, item);
    expect(queue.remove('a', 'a2')).to.equal(true);
    expect(queue.remove('a', 'a2')).to.equal(false);
    expect(queue.counts).to.deep.equal([
      ['a', 2],
      ['b', 1],
      ['c', 1],
    ]);
    expect([queue.newest('a'), queue.newest('d')]).to.deep.equal(['a3', undefined]);
    expect(queue.remove('a', 'a3')).to.equal(true);
    queue.push('a', 'a4');
    expect([queue.shift(), queue.shift(), queue.shift(), queue.shift(), queue.shift()]).to.deep.equal([
      'a1',
      'b1',
      'c1',
      'a4',
      undefined,
    ]);
    expect(queue.size).to.equal(0);
  });
});

describe('what several clients wait for in a FairQueue', () => {
  it('comes once, at the turn of the first of them', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'shared']) queue.push('a', item);
    for (const item of ['shared', 'shared', 'b1']) queue.push('b', item);
    expect([queue.size, queue.waiting('a'), queue.waiting('b')]).to.deep.equal([4, 3, 2]);
    expect([queue.shift(), queue.shift()]).to.deep.equal(['a1', 'shared']);
    expect([queue.size, queue.waiting('a'), queue.waiting('b')]).to.deep.equal([2, 1, 1]);
    expect([queue.shift(), queue.shift(), queue.shift()]).to.deep.equal(['a2', 'b1', undefined]);
  });

  it('stays for those that are left', () => {
    const queue = new FairQueue<string>();
    for (const client of ['a', 'b']) queue.push(client, 'shared');
    expect([queue.remove('a', 'shared'), queue.remove('a', 'shared')]).to.deep.equal([true, false]);
    expect([queue.size, queue.waiting('a'), queue.shift(), queue.size]).to.deep.equal([1, 0, 'shared', 0]);
  });
});

describe('Buckets', () => {
  it('start the oldest first, and let no full one overtake it', () => {
    const clock = new FakeClock();
    const buckets = new Buckets<string>(2, 0, clock);
    buckets.add('a', 'a1');
    buckets.add('b', 'b1');
    buckets.add('a', 'a2');
    expect(buckets.take(true)).to.deep.equal(['a1', 'a2']);
    buckets.add('a', 'a3');
    buckets.add('a', 'a4');
    expect(buckets.take(true)).to.equal(undefined);
    expect(buckets.take(false)).to.deep.equal(['b1']);
    expect(buckets.take(true)).to.deep.equal(['a3', 'a4']);
    expect(buckets.take(false)).to.equal(undefined);
  });
});

describe('readAhead', () => {
  it('ends its source when its reader leaves, and hands on what fails', async () => {
    let ended = 0;
    const source = async function* (failing = Infinity) {
      try {
        for (let i = 0; ; i += 1) {
          await new Promise(setImmediate);
          if (i === failing) throw new Error('three');
          yield i;
        }
      } finally {
        ended += 1;
      }
    };
    let over = 0;
    const seen: number[] = [];
    const reading = readAhead(source(3), () => (over += 1));
    const failure = await (async () => {
      for await (const value of reading) seen.push(value);
    })().catch((error: Error) => error.message);
    expect([failure, seen, ended, over]).to.deep.equal(['three', [0, 1, 2], 1, 1]);
    // One that would never end by itself.
    for await (const value of readAhead(source(), () => (over += 1))) {
      expect(value).to.equal(0);
      break;
    }
    expect([ended, over]).to.deep.equal([2, 2]);
  });
});

describe('work that several share', () => {
  const begin = () => {
    const shared = new SharedWork<string>();
    const stops: AbortSignal[] = [];
    const callers = [new AbortController(), new AbortController()];
    const joined = callers.map(({ signal }) =>
      shared.join('key', signal, (stop) => {
        stops.push(stop);
        return new Promise((resolve) => setImmediate(() => resolve('done')));
      }),
    );
    return { callers, joined, stops };
  };

  it('goes on for those that stay, and is stopped when all have gone', async () => {
    const staying = begin();
    staying.callers[0]!.abort();
    await expectRejection(staying.joined[0]!, 'ERR_ABORTED');
    expect(staying.stops.map(({ aborted }) => aborted)).to.deep.equal([false]);
    expect(await staying.joined[1]).to.equal('done');
    const leaving = begin();
    for (const caller of leaving.callers) caller.abort();
    for (const one of leaving.joined) await expectRejection(one, 'ERR_ABORTED');
    expect(leaving.stops.map(({ aborted }) => aborted)).to.deep.equal([true]);
  });

  it('is begun anew by who comes when all have gone, and then is the one to join', async () => {
    const shared = new SharedWork<number>();
    const ends: (() => void)[] = [];
    const join = (signal: AbortSignal) =>
      shared.join('key', signal, () => {
        const number = ends.length;
        return new Promise((resolve) => ends.push(() => resolve(number)));
      });
    const leaving = new AbortController();
    const left = join(leaving.signal);
    leaving.abort();
    await expectRejection(left, 'ERR_ABORTED');
    const { signal } = new AbortController();
    const second = join(signal);
    // The end of what was left is not the end of what was begun after it.
    ends[0]!();
    await new Promise(setImmediate);
    const third = join(signal);
    ends[1]!();
    expect([await second, await third, ends.length]).to.deep.equal([1, 1, 2]);
  });

  it('is that of equal pictures, in bytes and sides, whatever their owner does to them later', async () => {
    const open = (width: number, height: number, data = new Uint8Array(6).fill(7)) =>
      openSource(
        { data, width, height, channels: 3 },
        resolveLimits(undefined, 'a test'),
        new AbortController().signal,
      );
    const [wide, tall] = [await open(2, 1), await open(1, 2)];
    expect(wide.key).to.not.equal(tall.key);
    const data = new Uint8Array(6).fill(7);
    const { key, image } = await open(2, 1, data);
    expect(key).to.equal(wide.key);
    data.fill(0);
    expect(image).to.deep.equal(wide.image);
  });

  it('is that of equal features, in numbers and shape', () => {
    const keys = [
      [2, 3],
      [3, 2],
    ].map((shape) => questionKey({ data: new Float32Array(6), shape: shape as [number, number] }));
    expect(keys[0]).to.not.equal(keys[1]);
    expect(questionKey({ data: new Float32Array(6), shape: [2, 3] })).to.equal(keys[0]);
  });
});

describe('slots', () => {
  it('are not waited for by who has gone already', async () => {
    const slots = new FairSlots(1);
    const release = await slots.acquire('a', new AbortController().signal);
    await expectRejection(slots.acquire('b', AbortSignal.abort()), 'ERR_ABORTED');
    expect([slots.taken, slots.queued]).to.deep.equal([1, 0]);
    release();
    release();
    expect(slots.taken).to.equal(0);
  });
});
