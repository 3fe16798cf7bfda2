import { expect } from 'chai';
import {
  elementsOf,
  firstNonFinite,
  roundToBfloat16,
  roundToHalf,
  toBfloat16,
  toFloat32,
  toHalf,
} from '../../lib/weights/elements';
import { fromBf16, toBf16 } from '../support/bf16';
import { fromF16, toF16 } from '../support/f16';
import { floats, random } from '../support/random';

describe('stored elements', () => {
  it('widen halves exactly', () => {
    const halves = Uint16Array.of(
      0x0000,
      0x8000,
      0x3c00,
      0xc000,
      0x7bff,
      0x0001,
      0x03ff,
      0x0400,
      0x3555,
      0x7c00,
      0xfc00,
    );
    const wanted = [0, -0, 1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 0.333251953125, Infinity, -Infinity];
    expect([...toFloat32(halves, 'f16')]).to.deep.equal(wanted);
    expect(toFloat32(Uint16Array.of(0x7e00), 'f16')[0]).to.be.NaN;
  });

  it('widen and round bf16 like an independent implementation', () => {
    const values = floats(random(3), 1000);
    expect(toBfloat16(values)).to.deep.equal(toBf16(values));
    expect(toFloat32(toBfloat16(values), 'bf16')).to.deep.equal(fromBf16(toBf16(values)));
    expect([...values].map(roundToBfloat16)).to.deep.equal([...fromBf16(toBf16(values))]);
  });

  it('round to f16 like an independent implementation, subnormals, ties and overflow included', () => {
    const values = Float32Array.from({ length: 4000 }, (_, i) => {
      const half = fromF16(Uint16Array.of((i * 8) % 0x7c00))[0]!;
      return (i % 2 ? -1 : 1) * (half + (i % 3) * Math.max(2 ** -25, half * 2 ** -12));
    });
    const edges = [0, -0, 2 ** -24, 2 ** -25, 3 * 2 ** -26, 2 ** -14 - 2 ** -25, 65504, 65519, 65520, -70000];
    for (const value of [...values, ...edges]) {
      expect(roundToHalf(value), String(value)).to.equal(fromF16(toF16([Math.fround(value)]))[0]);
    }
    const numbers = Float32Array.of(...values, ...edges);
    expect(toHalf(numbers)).to.deep.equal(toF16(numbers));
  });

  it('come back from f16 with every one of its bits', () => {
    const finite = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits).filter(
      (bits) => (bits & 0x7c00) !== 0x7c00,
    );
    expect(toHalf(toFloat32(finite, 'f16'))).to.deep.equal(finite);
  });

  it('rounds ties to even', () => {
    expect([1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8].map(roundToBfloat16)).to.deep.equal([1, 1 + 2 ** -6, -1]);
  });

  it('read bytes at any alignment', () => {
    const bytes = new Uint8Array(9);
    bytes.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1);
    expect([...elementsOf(bytes.subarray(1), 'f32')]).to.deep.equal([1.5, -2]);
    expect(elementsOf(bytes.subarray(1), 'bf16')).to.have.length(4);
  });

  it('find what is not finite', () => {
    expect(firstNonFinite(Float32Array.of(1, -3e38, 0), 'f32')).to.equal(-1);
    expect(firstNonFinite(Float32Array.of(1, NaN), 'f32')).to.equal(1);
    expect(firstNonFinite(Float32Array.of(-Infinity, NaN), 'f32')).to.equal(0);
    expect(firstNonFinite(Uint16Array.of(0x7f7f, 0xff7f, 0x7f80), 'bf16')).to.equal(2);
    expect(firstNonFinite(Uint16Array.of(0x7bff, 0xfbff, 0xfc00), 'f16')).to.equal(2);
  });
});
