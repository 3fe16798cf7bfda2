import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import type { QAViTErrorCode } from '../../lib/errors';
import { duplicateKey } from '../../lib/json-text';
import { copied, writeSafetensors } from '../../lib/weights';
import { openSafetensors } from '../../lib/weights/safetensors';
import { expectThrow } from '../support/expect-error';
import { f32, safetensorsBytes, withHeader } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';

describe('safetensors', () => {
  const at = temporaryFolder();
  const a = f32([2, 2], Float32Array.of(1, 2, 3, 4));
  const b = f32([3], Float32Array.of(5, 6, 7));

  const write = (bytes: Uint8Array): string => {
    const file = at('model.safetensors');
    writeFileSync(file, bytes);
    return file;
  };
  const refuse = (bytes: Uint8Array, message: RegExp, code: QAViTErrorCode = 'ERR_FORMAT'): void => {
    const file = write(bytes);
    expectThrow(() => openSafetensors(file), code, message);
    expectThrow(() => openSafetensors(file), code, /model\.safetensors/);
  };

  it('reads names, shapes and numbers', () => {
    const bytes = safetensorsBytes({ a, b, empty: f32([0, 4], new Float32Array()) }, (header) => ({
      __metadata__: { format: 'pt', a: '"}{' },
      ...header,
    }));
    const { file, tensors } = openSafetensors(write(bytes));
    expect(tensors.map(({ name, shape, dtype }) => [name, [...shape], dtype])).to.deep.equal([
      ['a', [2, 2], 'f32'],
      ['b', [3], 'f32'],
      ['empty', [0, 4], 'f32'],
    ]);
    expect([...tensors[1]!.read()]).to.deep.equal([5, 6, 7]);
    file.close();
  });

  it('reads tensors in any order of the header, and padding behind it', () => {
    const header =
      '{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   ';
    const { file, tensors } = openSafetensors(write(withHeader(header, new Uint8Array(Float32Array.of(8, 9).buffer))));
    expect(tensors.map((tensor) => [tensor.name, tensor.read()[0]])).to.deep.equal([
      ['b', 9],
      ['a', 8],
    ]);
    file.close();
  });

  it('reads a tensor without numbers wherever the header has it', () => {
    const header =
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"none":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}';
    const { file, tensors } = openSafetensors(write(withHeader(header, new Uint8Array(Float32Array.of(8).buffer))));
    expect(tensors.map((tensor) => [...tensor.read()])).to.deep.equal([[8], []]);
    file.close();
  });

  it('copies tensors of more than one piece whole', async () => {
    const count = 5 * 2 ** 20;
    const { file, tensors } = openSafetensors(
      write(
        safetensorsBytes({
          a,
          large: f32(
            [count],
            Float32Array.from({ length: count }, (_, i) => i),
          ),
        }),
      ),
    );
    await writeSafetensors(
      at('copy.safetensors'),
      tensors.map((tensor) => copied(tensor.name, tensor)),
      undefined,
    );
    const copy = openSafetensors(at('copy.safetensors'));
    for (const [i, tensor] of tensors.entries()) {
      expect(Buffer.from(copy.tensors[i]!.read().buffer).equals(Buffer.from(tensor.read().buffer))).to.equal(true);
    }
    copy.file.close();
    file.close();
  });

  it('refuses what is too short', () => {
    for (const length of [0, 1, 7]) refuse(Buffer.alloc(length), /a safetensors file/);
    refuse(Buffer.alloc(8), /header of 2 to 0 bytes/);
  });

  it('refuses a header length that lies', () => {
    const whole = safetensorsBytes({ a });
    for (const length of [0n, 1n, BigInt(whole.length), 100_000_001n, 2n ** 63n, 2n ** 64n - 1n]) {
      const bytes = Buffer.from(whole);
      bytes.writeBigUInt64LE(length);
      refuse(bytes, /a header of 2 to \d+ bytes/);
    }
    const short = Buffer.from(whole);
    short.writeBigUInt64LE(10n);
    refuse(short, /a JSON header/);
  });

  it('refuses headers that are no JSON objects', () => {
    refuse(withHeader('not json at all'), /a JSON header/);
    refuse(withHeader('[]'), /a JSON object as header/);
    refuse(withHeader('null'), /a JSON object as header/);
    refuse(withHeader('"a"'), /a JSON object as header/);
    refuse(Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0xff, 0xfe])]), /a JSON header/);
    refuse(withHeader('['.repeat(1e6)), /a JSON header of at most 128 levels/);
    refuse(withHeader(`{"__metadata__":[${'[],'.repeat(2 ** 21)}0]}`), /a JSON header of at most 4194304 values/);
  });

  it('refuses entries that are malformed', () => {
    const damaged = (change: Record<string, unknown>) =>
      safetensorsBytes({ a }, ({ a: entry }) => ({ a: { ...(entry as object), ...change } }));
    refuse(damaged({ dtype: 'F31' }), /dtype of the format for tensor "a"/);
    refuse(damaged({ dtype: 7 }), /dtype of the format/);
    refuse(damaged({ dtype: 'toString' }), /dtype of the format/);
    refuse(damaged({ shape: [2, -2] }), /non-negative integers/);
    refuse(damaged({ shape: [2, 2.5] }), /non-negative integers/);
    refuse(damaged({ shape: '4' }), /non-negative integers/);
    refuse(damaged({ shape: [2 ** 60, 2] }), /non-negative integers/);
    refuse(damaged({ shape: undefined }), /non-negative integers/);
    refuse(damaged({ data_offsets: [0] }), /two data_offsets/);
    refuse(damaged({ data_offsets: [0, -16] }), /two data_offsets/);
    refuse(damaged({ data_offsets: [0, '16'] }), /two data_offsets/);
    refuse(damaged({ data_offsets: [16, 0] }), /16 bytes for F32 \[2, 2\]/);
    refuse(
      safetensorsBytes({ a }, () => ({ a: 5 })),
      /an object for tensor "a"/,
    );
  });

  it('refuses sizes that lie', () => {
    const shaped = (shape: number[]) =>
      safetensorsBytes({ a }, ({ a: entry }) => ({ a: { ...(entry as object), shape } }));
    refuse(shaped([2, 3]), /24 bytes for F32 \[2, 3\]/);
    // The product wraps around to 4 in 64 bits.
    refuse(shaped([2 ** 32, 2 ** 32, 2 ** 2]), /bytes for F32/);
    refuse(shaped([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]), /bytes for F32/);
    const most = Array.from({ length: 64 }, () => Number.MAX_SAFE_INTEGER);
    refuse(shaped(most), /^Expected \d{77}\.\.\. bytes for F32 \[[\d, ]{77}\.\.\.\] for tensor "a" of .{1,200}$/);
    refuse(shaped([...most, 1]), /^Expected at most 64 dimensions for tensor "a" of .* but received 65$/);
    // A product of as many would keep the event loop for minutes.
    refuse(shaped(Array.from({ length: 1e5 }, () => Number.MAX_SAFE_INTEGER)), /at most 64 dimensions .* 100000$/);
  });

  it('refuses tensors that overlap, leave gaps or lie outside', () => {
    const placed = (first: [number, number], second: [number, number]) =>
      safetensorsBytes({ a, b: a }, ({ a: x, b: y }) => ({
        a: { ...(x as object), data_offsets: first },
        b: { ...(y as object), data_offsets: second },
      }));
    refuse(placed([0, 16], [0, 16]), /overlaps another/);
    refuse(placed([0, 16], [8, 24]), /tensor "b" .* overlaps another/);
    refuse(placed([0, 16], [20, 36]), /behind a gap/);
    refuse(placed([0, 16], [16, 32]).subarray(0, -1), /truncated/);
    refuse(Buffer.concat([placed([0, 16], [16, 32]), Buffer.alloc(1)]), /bytes for .* but received/);
    refuse(placed([2 ** 40, 2 ** 40 + 16], [0, 16]), /behind a gap/);
  });

  it('refuses more tensors than any checkpoint has', () => {
    const entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
    const names = Array.from({ length: 100_001 }, (_, i) => `"${i}":${entry}`);
    refuse(withHeader(`{${names.join()}}`), /at most 100000 tensors .* 100001$/, 'ERR_UNSUPPORTED');
  });

  it('refuses a tensor that is named twice', () => {
    const entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
    refuse(withHeader(`{"a":${entry},"a":${entry}}`, Buffer.alloc(4)), /each tensor once .* a twice/);
    refuse(withHeader(`{"a":${entry},"\\u0061":${entry}}`, Buffer.alloc(4)), /each tensor once/);
  });

  it('finds doubled keys at the top only', () => {
    expect(duplicateKey('{"a":{"x":1,"y":2},"b":{"x":1}}')).to.equal(undefined);
    expect(duplicateKey('{"a":"a","b":["a","a"],"c":"\\"a\\":"}')).to.equal(undefined);
    expect(duplicateKey('{"a" \n :1,"b":[{"a":1}],"a":2}')).to.equal('a');
    expect(duplicateKey('{"__proto__":1,"__proto__":2}')).to.equal('__proto__');
  });

  it('takes names that mean something in JavaScript', () => {
    const entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
    const { file, tensors } = openSafetensors(write(withHeader(`{"__proto__":${entry}}`, Buffer.alloc(4))));
    expect(tensors.map(({ name }) => name)).to.deep.equal(['__proto__']);
    file.close();
  });

  it('refuses other dtypes only when they are asked for', () => {
    const { file, tensors } = openSafetensors(
      write(safetensorsBytes({ ids: { dtype: 'I64', shape: [2], bytes: new Uint8Array(16) } })),
    );
    expectThrow(
      () => tensors[0]!.read(),
      'ERR_DTYPE',
      /F32, F16 or BF16 for tensor ids of .*model\.safetensors .* I64/,
    );
    file.close();
  });

  it('refuses numbers that are not finite, wherever they are', () => {
    for (const [value, shown] of [
      [NaN, 'NaN'],
      [Infinity, 'Infinity'],
      [-Infinity, '-Infinity'],
    ] as const) {
      const numbers = new Float32Array(600_000);
      numbers[555_555] = value;
      const { file, tensors } = openSafetensors(write(safetensorsBytes({ a: f32([600_000], numbers) })));
      const message = new RegExp(`finite numbers for tensor a of .* but received ${shown} at element 555555`);
      expectThrow(() => tensors[0]!.read(), 'ERR_FORMAT', message);
      file.close();
    }
  });

  it('refuses what is no file', () => {
    expectThrow(() => openSafetensors(at('none.safetensors')), 'ERR_ARGUMENT', /none\.safetensors/);
    expectThrow(() => openSafetensors(at()), 'ERR_FORMAT', /a directory/);
  });
});
