import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Spec } from '../../bench/contestants/spec';
import { lowestCosine, readFloats } from '../../bench/run/agreement';
import { type Contestant, enter, verify } from '../../bench/run/contest';
import { meanDifference } from '../../bench/run/measure';
import { starts } from '../../bench/run/starts';
import { Resident } from '../../bench/support/resident';
import { temporaryFolder } from '../support/temporary';

const specOf = (peer: string): Spec => ({ peer, kind: 'tower', threads: 1, compile: 'default' });

/** A contestant that computes `values`; what happens to it is logged. */
function fake(name: string, log: string[], values: number[] = []): Contestant {
  return {
    name,
    about: { versions: { [name]: '1' } },
    run: (count) => Promise.resolve({ ms: Array<number>(count).fill(1), cpuMs: [], peakBytes: 7 }),
    result: (file) => Promise.resolve(writeFileSync(file, Float32Array.from(values))),
    stop: () => Promise.resolve(void log.push(`${name} stopped`)),
  };
}

const failing = (error: string) => (spec: Spec) =>
  spec.peer === 'broken' ? Promise.reject(new Error(error)) : Promise.resolve(fake(spec.peer, []));

const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing was thrown',
    (error: Error) => error.message,
  );

describe('bench/contest', () => {
  const folder = temporaryFolder();
  const scratch = (): string => path.join(folder(), 'result.f32');

  it('goes on without a peer that cannot start, and says why', async () => {
    const { contestants, missing } = await enter(['qavit', 'broken', 'torch'].map(specOf), failing('no such module'));
    expect(contestants.map(({ name }) => name)).to.deep.equal(['qavit', 'torch']);
    expect(missing).to.deep.equal({ broken: 'no such module' });
  });

  it('does not go on without qavit', async () => {
    const starting = (): Promise<Contestant> => Promise.reject(new Error('no addon'));
    expect(await messageOf(enter([specOf('qavit')], starting))).to.equal('no addon');
  });

  it('takes out who computes something else, or nothing that can be compared', async () => {
    const log: string[] = [];
    const expected = [3, 4, 6, 8];
    const entrants = {
      contestants: [
        fake('qavit', log, expected),
        fake('same', log, [6, 8, 3, 4]),
        fake('other', log, [3, 4, 8, -6]),
        fake('nan', log, [3, 4, NaN, 8]),
        fake('short', log, [3, 4]),
        { ...fake('gone', log), result: () => Promise.reject(new Error('gone ended early')) },
      ],
      missing: {} as Record<string, string>,
    };
    const cosine = (file: string): number => lowestCosine(readFloats(file), Float32Array.from(expected), 2);
    const agreement = await verify(entrants, scratch(), cosine, 0.9);
    expect(entrants.contestants.map(({ name }) => name)).to.deep.equal(['qavit', 'same']);
    expect(Object.keys(entrants.missing)).to.deep.equal(['other', 'nan', 'short', 'gone']);
    expect(log).to.deep.equal(['other', 'nan', 'short', 'gone'].map((name) => `${name} stopped`));
    expect(entrants.missing.gone).to.equal('gone ended early');
    expect([agreement.same, agreement.other]).to.deep.equal([1, 0]);
  });

  it('measures nothing where qavit itself computes something else', async () => {
    const entrants = { contestants: [fake('qavit', [], [1])], missing: {} };
    expect(await messageOf(verify(entrants, scratch(), () => 0.5, 0.9))).to.include('something else');
  });

  it('compares pictures as bytes with pictures as the tower takes them', () => {
    const bytes = Float32Array.from([0, 128, 255]);
    const normalized = Float32Array.from([
      (0 - 0.48145466) / 0.26862954,
      (128 / 255 - 0.4578275) / 0.26130258,
      (252 / 255 - 0.40821073) / 0.27577711,
    ]);
    expect(meanDifference(bytes, normalized, 1)).to.be.closeTo(1, 1e-4);
    expect(meanDifference(bytes, normalized.subarray(1), 1)).to.be.NaN;
  });

  it('starts fresh processes in turns, the first of each uncounted', async () => {
    const log: string[] = [];
    const starting = (spec: Spec): Promise<Contestant> => {
      log.push(spec.peer);
      return Promise.resolve(fake(spec.peer, log));
    };
    const { entrants, times } = await starts(['qavit', 'torch'].map(specOf), 2, starting);
    const turn = 'qavit, qavit stopped, torch, torch stopped';
    expect(log.join(', ')).to.equal([turn, turn, turn].join(', '));
    expect(times.get('torch')!.ms).to.have.length(2);
    expect(times.get('torch')!.peakBytes).to.equal(7);
    expect(entrants.contestants.map(({ name }) => name)).to.deep.equal(['qavit', 'torch']);
  });

  it('leaves nobody running who fails once started', async () => {
    const log: string[] = [];
    const starting = (spec: Spec): Promise<Contestant> => {
      const run = (): Promise<never> => Promise.reject(new Error('killed'));
      return Promise.resolve(spec.peer === 'torch' ? { ...fake('torch', log), run } : fake(spec.peer, log));
    };
    const { entrants } = await starts(['qavit', 'torch'].map(specOf), 1, starting);
    expect(entrants.missing).to.deep.equal({ torch: 'killed' });
    expect(log).to.deep.equal(['qavit stopped', 'torch stopped', 'qavit stopped']);
  });

  it('does not try again to start what could not', async () => {
    const { entrants, times } = await starts(['qavit', 'broken'].map(specOf), 3, failing('no torch'));
    expect([...times.keys()]).to.deep.equal(['qavit']);
    expect(entrants.missing).to.deep.equal({ broken: 'no torch' });
  });
});

describe('bench/resident', () => {
  const node = (script: string, timeoutSeconds?: number): Resident =>
    new Resident('peer', process.execPath, ['-e', script], { quiet: true, timeoutSeconds });
  const echo = `console.log('{"ready":true}'); require('readline').createInterface({ input: process.stdin }).on('line', (l) => console.log(l))`;

  it('answers line by line and ends when it is told', async () => {
    const resident = node(echo);
    expect(await resident.answer()).to.deep.equal({ ready: true });
    expect(await resident.ask('{"n":1}')).to.deep.equal({ n: 1 });
    await resident.stop();
    expect(await messageOf(resident.answer())).to.include('ended early');
  });

  it('passes the last words of a process that ended early on', async () => {
    const resident = node(`console.error('first'); console.error('No module named torch'); process.exit(1)`);
    expect(await messageOf(resident.answer())).to.equal('peer ended early: No module named torch');
  });

  it('says which command does not exist', async () => {
    const resident = new Resident('peer', '/nowhere/python', [], { quiet: true });
    expect(await messageOf(resident.answer())).to.match(/ended early: .*ENOENT/);
    await resident.stop();
  });

  it('ends what says something else', async () => {
    const resident = node(`console.log('Warning: slow'); setInterval(() => {}, 1000)`);
    expect(await messageOf(resident.answer())).to.equal('peer said something else than an answer: Warning: slow');
    await resident.stop();
  });

  it('ends what gives no answer', async () => {
    const resident = node('setInterval(() => {}, 1000)', 0.5);
    expect(await messageOf(resident.answer())).to.equal('peer gave no answer in 0.5 s');
  });
});
