import { expect } from 'chai';
import type { Plan } from '../../lib/binding/native';
import { QAViTError } from '../../lib';
import { CAPACITY, PlanCache } from '../../lib/graph/plan-cache';
import { plannedLength } from '../../lib/qavit/questions';
import { expectRejection } from '../support/expect-error';

describe('plans by shape', () => {
  const plan = (name: string): Plan => ({ name, arenaBytes: 0, dispose: () => undefined });

  it('are made once, also for calls that overlap', async () => {
    const cache = new PlanCache();
    let made = 0;
    const make = () => Promise.resolve(plan(String(made++)));
    const [a, b] = await Promise.all([cache.get('k', make), cache.get('k', make)]);
    expect([a, b, await cache.get('k', make)]).to.deep.equal([a, a, a]);
    expect(made).to.equal(1);
  });

  it('make room, those used least recently first', async () => {
    const cache = new PlanCache();
    const made: string[] = [];
    const get = (key: string) => cache.get(key, () => (made.push(key), Promise.resolve(plan(key))));
    for (let i = 0; i < CAPACITY; i += 1) await get(String(i));
    await get('0');
    await get('another');
    await get('0');
    await get('1');
    expect(made.slice(CAPACITY)).to.deep.equal(['another', '1']);
  });

  it('are forgotten by how their keys begin', async () => {
    const cache = new PlanCache();
    const made: string[] = [];
    const get = (key: string) => cache.get(key, () => (made.push(key), Promise.resolve(plan(key))));
    for (const key of ['8 x 8: look', '8 x 80: look', '8 x 8: plain']) await get(key);
    cache.forget('8 x 8: ');
    for (const key of ['8 x 8: look', '8 x 80: look', '8 x 8: plain']) await get(key);
    expect(made.slice(3)).to.deep.equal(['8 x 8: look', '8 x 8: plain']);
  });

  it('are tried again after a failure', async () => {
    const cache = new PlanCache();
    const error = new QAViTError('ERR_OUT_OF_MEMORY', 'Expected room for a plan but received none');
    await expectRejection(
      cache.get('k', () => Promise.reject(error)),
      'ERR_OUT_OF_MEMORY',
    );
    expect((await cache.get('k', () => Promise.resolve(plan('b')))).name).to.equal('b');
  });

  it('serve questions of several lengths', () => {
    const asked = [1, 8, 9, 30, 33, 128, 129, 300];
    for (const kind of ['cpu', 'reference'] as const) {
      const planned = asked.map((tokens) => plannedLength(tokens, kind));
      expect(planned, kind).to.deep.equal([8, 8, 16, 32, 64, 128, 256, 384]);
    }
    const onGpu = asked.map((tokens) => plannedLength(tokens, 'cuda'));
    expect(onGpu).to.deep.equal([16, 16, 16, 32, 64, 128, 256, 384]);
  });
});
