import { expect } from 'chai';
import { pageModule } from './page-module';

type Stages = (extras: { timings?: Record<string, number> }) => { name: string; ms: number }[];

describe("the page's timings", () => {
  let stagesOf: Stages;
  before(async () => {
    ({ stagesOf } = await pageModule<{ stagesOf: Stages }>('timings.js'));
  });

  const rest = (timings: Record<string, number>) => stagesOf({ timings }).at(-1);

  it('end with what is left of the whole', () => {
    const timings = { queued_ms: 1, encode_ms: 4, first_token_ms: 20, total_ms: 50 };
    expect(stagesOf({ timings }).map(({ ms }) => ms)).to.deep.equal([1, 4, 20, 25]);
    expect(rest({ ...timings, decode_ms: 5 })).to.include({ name: 'Rest of the answer', ms: 20 });
    expect(stagesOf({})).to.deep.equal([]);
  });

  it('count the time once in which the picture is opened and the question read side by side', () => {
    const timings = { decode_ms: 52, listen_ms: 47, encode_ms: 10, first_token_ms: 8, total_ms: 85 };
    expect(rest(timings)?.ms).to.equal(15);
    expect(rest({ ...timings, decode_ms: 47, listen_ms: 52 })?.ms).to.equal(15);
  });

  it('never come below nothing', () => {
    expect(rest({ encode_ms: 30, first_token_ms: 25, total_ms: 50 })?.ms).to.equal(0);
  });
});
