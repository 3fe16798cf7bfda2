import { expect } from 'chai';
import { availableParallelism } from 'node:os';
import { CASES, listCases, selectCases } from '../../bench/cases';
import { readOptions as readCudaOptions } from '../../bench/cuda/options';
import { HELP, readOptions } from '../../bench/options';
import { commandOf, needsOnnx, PEER_NAMES, peersOf } from '../../bench/peers';
import { argumentsOf } from '../../bench/run/kernels';
import { BenchError } from '../../bench/support/bench-error';

const names = (patterns: string): string[] => selectCases(patterns).map(({ name }) => name);

describe('bench/cases', () => {
  it('have names of their own', () => {
    expect(new Set(CASES.map(({ name }) => name)).size).to.equal(CASES.length);
  });

  it('are chosen by name, by beginning and by *', () => {
    expect(names('tower/vit-b-32/bf16/8')).to.deep.equal(['tower/vit-b-32/bf16/8']);
    expect(names('load/vit-l-14')).to.deep.equal(['load/vit-l-14/f32', 'load/vit-l-14/bf16', 'load/vit-l-14/int8']);
    expect(names('tower/*/int8/1')).to.deep.equal(
      ['vit-b-32', 'vit-b-16', 'vit-l-14', 'vit-l-14-336'].map((tower) => `tower/${tower}/int8/1`),
    );
    expect(names('none')).to.deep.equal([]);
  });

  it('come once and in the order of the table, however they are asked for', () => {
    expect(names('tower/vit-b-16/f32, ask ,tower/vit-b-16')).to.deep.equal(names('ask,tower/vit-b-16'));
  });

  it('leave the tower that only tries the harness out unless it is named', () => {
    expect(names('tower').some((name) => name.includes('tiny'))).to.equal(false);
    expect(names('tower/tiny')).to.have.length(6);
  });

  it('list what there is for a name that is unknown, or only a part of one', () => {
    for (const unknown of ['towers', 'tower/vit', 'tower/vit-b-32/f64', 'tower/vit-b-32/f32/1/more', '']) {
      expect(() => selectCases(`ask,${unknown}`))
        .to.throw(BenchError, `received '${unknown}'`)
        .with.property('message')
        .that.includes('tower/vit-b-32/ f32/1 f32/8');
    }
  });

  it('all appear in the list', () => {
    const list = listCases();
    for (const { name } of CASES) {
      const [kind, what, ...rest] = name.split('/');
      expect(list).to.match(new RegExp(`^  ${kind}/${what}(/ .*)?$`, 'm'));
      if (rest.length > 0) expect(list).to.include(` ${rest.join('/')}`);
    }
  });
});

describe('bench/kernels', () => {
  it('are measured by the threads and the clock that the others are', () => {
    const [entry] = CASES.filter((found) => found.kind === 'kernels');
    const told = argumentsOf(entry!, { threads: 1, clock: 'cpu' }, 'k.json').join(' ');
    expect(told).to.equal('--dtype f32 --threads 1 --clock cpu --json k.json');
  });
});

describe('bench/peers', () => {
  it('each have a case, and only what can be done', () => {
    expect(new Set(CASES.flatMap(peersOf))).to.deep.equal(new Set(PEER_NAMES));
    const [half] = selectCases('tower/vit-b-32/bf16/1');
    expect(peersOf(half!).filter(needsOnnx)).to.deep.equal([]);
  });

  it('are started with the threads that qavit gets', () => {
    const spec = { kind: 'tower', threads: 3, compile: 'default', directory: 'models', dtype: 'f32' } as const;
    for (const peer of ['qavit', ...PEER_NAMES]) {
      const { args, env } = commandOf({ ...spec, peer });
      expect(JSON.parse(args.at(-1)!), peer).to.deep.include({ peer, threads: 3 });
      if (env) expect(env.OMP_NUM_THREADS).to.equal('3');
    }
  });
});

describe('bench/options', () => {
  it('have defaults that are valid', () => {
    const options = readOptions([])!;
    expect(options.cases.length).to.be.greaterThan(10);
    expect(options).to.deep.include({ peers: PEER_NAMES, strict: false, rounds: 5, threads: availableParallelism() });
  });

  it('are read', () => {
    const args = '--cases ask --peers torch,pillow --rounds 3 --threads 1 --minutes 0.5 --json a.json'.split(' ');
    const options = readOptions(args)!;
    expect(options).to.deep.include({ peers: ['torch', 'pillow'], strict: true, rounds: 3, threads: 1, minutes: 0.5 });
    expect(options.json).to.match(/a\.json$/);
    expect(readOptions(['--peers', 'none'])!.peers).to.deep.equal([]);
  });

  it('say what exists where a value does not', () => {
    expect(() => readOptions(['--peers', 'torch,jax'])).to.throw(
      BenchError,
      /onnxruntime, transformers\.js, .* received 'jax'/,
    );
    expect(() => readOptions(['--cases', 'ask,tover'])).to.throw(BenchError, /kernels\/f32[^]*received 'tover'/);
    expect(() => readOptions(['--case', 'ask'])).to.throw(BenchError, '--help');
    for (const option of ['rounds', 'threads', 'minutes']) {
      for (const value of ['0', '-1', 'x', 'Infinity', '']) {
        expect(() => readOptions([`--${option}=${value}`]), value).to.throw(BenchError, `--${option}`);
      }
    }
    expect(() => readOptions(['--clock', 'cpu', '--threads', '2'])).to.throw(BenchError, '--threads 1');
    expect(() => readOptions(['--clock', 'wall,cpu'])).to.throw(BenchError, "received 'wall,cpu'");
    expect(() => readCudaOptions(['--dtype', 'bf16,f32'])).to.throw(BenchError, "received 'bf16,f32'");
    expect(() => readOptions(['--rounds', '1.5'])).to.throw(BenchError, '--rounds');
  });

  it('have help that names every case and peer and fits a terminal', () => {
    expect(readOptions(['--cases', 'nonsense', '--help'])).to.equal(undefined);
    for (const name of [...PEER_NAMES, 'preprocess/1920x1080', 'ask/demo']) expect(HELP).to.include(name);
    const prose = HELP.split('\n').filter((line) => !/^ {2}\w+\/|^ +kernels,/.test(line));
    expect(Math.max(...prose.map((line) => line.length))).to.be.at.most(120);
  });
});
