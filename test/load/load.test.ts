import { expect } from 'chai';
import { QAViT, QAViTError } from '../../lib';
import { Client } from './client';
import { abortMany, halfSent, inParallel, killLanguageModel, malformed, slowReaders } from './faults';
import { openLoop } from './open-loop';
import { Served } from './served';
import { soak } from './soak';
import { withT5Served } from './t5-served';
import { Counting } from './tally';
import { createServer } from '../../lib/serve';
import { throughput } from './throughput';
import { makePairs, type Pair } from './world';
import type { AddressInfo } from 'node:net';

/** The short form of `npm run test:load`: the same faults in small, and no times. */
describe('under load', () => {
  let pairs: Pair[];
  let served: Served;
  let client: Client;

  before(async () => {
    await using model = await QAViT.load('demo', { device: 'cpu' });
    pairs = await makePairs(model, 4);
    served = await Served.start(['--max-pending', '48']);
    client = new Client(served.url);
  });
  after(async () => {
    client?.close();
    await served?.[Symbol.asyncDispose]();
  });

  it('more requests than it can answer are answered rightly or refused with 429', async () => {
    const { tally } = await openLoop(client, pairs, 'chat', { load: 0, perSecond: 400, ms: 1000, seed: 1 });
    expect([tally.wrong, tally.broken]).to.deep.equal([0, 0]);
    expect(Object.keys(tally.refused)).to.deep.equal(Object.keys(tally.refused).filter((status) => status === '429'));
    expect(tally.right).to.be.greaterThan(0);
  });

  it('32 clients of another process are all answered', async () => {
    await using model = await QAViT.load('demo', { device: 'cpu' });
    const { pairs: asked, http } = await throughput(model, pairs.slice(0, 16), 1);
    expect(asked).to.equal(32);
    expect(Math.min(http.cpu, http.clientsCpu)).to.be.greaterThan(0);
  });

  it('aborted requests leave nothing behind and mix nothing up', async () => {
    const { aborted, tally } = await abortMany(client, pairs, 300);
    expect(aborted).to.be.greaterThan(0);
    expect(tally.wrong).to.equal(0);
    expect(await client.metric('qavit_queue_depth')).to.equal(0);
  });

  it('half-sent bodies and readers that do not read hold up nobody', async () => {
    for (const attack of [halfSent, slowReaders]) {
      const tally = await attack(served.url, client, pairs, 30);
      expect([tally.right, tally.wrong, tally.broken]).to.deep.equal([pairs.length, 0, 0]);
    }
  });

  it('malformed bodies are refused as the client’s fault', async () => {
    const statuses = await malformed(client, pairs, 120);
    const faults = Object.keys(statuses).filter((status) => status !== '200' && !status.startsWith('4'));
    expect(faults, JSON.stringify(statuses)).to.deep.equal([]);
    expect(statuses[400]).to.be.greaterThan(60);
  });

  it('a killed language model is started again, and no answer is wrong', async function () {
    if (!served.children?.length) {
      process.stderr.write('SKIPPED: this system does not tell which processes a process has started\n');
      this.skip();
    }
    const { tally, recoveryMs } = await killLanguageModel(served, client, pairs, 2);
    expect(tally.wrong).to.equal(0);
    expect(recoveryMs).to.have.length(2);
    expect(Object.keys(tally.refused).filter((status) => status !== '500')).to.deep.equal([]);
  });

  it('a short soak has no wrong answer', async () => {
    const { tally } = await soak(client, pairs, 250, 50);
    expect(tally.wrong).to.equal(0);
    expect(tally.right).to.be.greaterThan(200);
  });

  it('a model that throws and runs out of memory now and then answers rightly or not at all', async () => {
    await using model = await QAViT.load('demo', { device: 'cpu' });
    let calls = 0;
    const unreliable: Pick<QAViT, 'stages' | 'attend' | 'encodeBatch' | 'info'> = {
      info: model.info,
      stages: model.stages,
      attend: model.attend.bind(model),
      encodeBatch: (items, options) => {
        calls += 1;
        if (calls % 5 === 0) return Promise.reject(new Error('thrown'));
        if (calls % 3 === 0) return Promise.reject(new QAViTError('ERR_OUT_OF_MEMORY', 'Expected memory'));
        return model.encodeBatch(items, options);
      },
    };
    const app = await createServer({ demo: unreliable });
    try {
      await app.listen({ port: 0, host: '127.0.0.1' });
      const direct = new Client(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
      const counting = new Counting();
      await inParallel(200, 16, (i) => counting.count(direct.ask(pairs[i % pairs.length]!, i % 2 ? 'tokens' : 'chat')));
      direct.close();
      const { wrong, broken, right, refused } = counting.tally;
      expect([wrong, broken]).to.deep.equal([0, 0]);
      expect(right).to.be.greaterThan(100);
      expect(Object.keys(refused).filter((status) => status !== '500' && status !== '503')).to.deep.equal([]);
      expect((await app.inject('/metrics')).body).to.match(/qavit_pending_requests\{model="demo"\} 0/);
    } finally {
      await app.close();
    }
  });

  it('answers that a T5 writes together are not mixed up, whoever leaves and comes', async () => {
    await withT5Served(['--max-pending', '48'], 4, async (t5, said) => {
      const asking = new Client(t5.url);
      expect(new Set(said.map(({ answer }) => answer)).size).to.be.greaterThan(said.length * 0.9);
      let together = 0;
      const watch = setInterval(() => {
        const running = asking.metric('qavit_answers', 'state="running"');
        void running.then((count) => (together = Math.max(together, count)));
      }, 20);
      const more = await openLoop(asking, said, 'chat', { load: 0, perSecond: 400, ms: 1000, seed: 2 });
      clearInterval(watch);
      expect(together).to.be.within(2, 16);
      const { aborted, tally: rest } = await abortMany(asking, said, 200);
      const { tally: mixed } = await soak(asking, said, 200, 20);
      asking.close();
      expect(aborted).to.be.greaterThan(0);
      for (const tally of [more.tally, rest, mixed]) {
        expect(tally.wrong, JSON.stringify(tally)).to.equal(0);
        expect(tally.right, JSON.stringify(tally)).to.be.greaterThan(20);
      }
      expect(more.tally.broken).to.equal(0);
    });
  });
});
