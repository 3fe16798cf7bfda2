import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { npyFile } from '../../lib/formats/npy';
import { printable, ranges, size, table } from '../../lib/cli/output';
import { safetensorsFile } from '../../lib/formats/safetensors-file';
import { readSafetensors } from '../support/safetensors';
import { readNpy } from './npy-reader';

describe('cli formats', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'qavit-formats-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('write .npy of any rank, from the middle of a buffer as well', () => {
    const whole = Float32Array.from({ length: 30 }, (_, i) => i / 7);
    for (const shape of [[24], [4, 6], [2, 3, 4], [24, 1]]) {
      const file = path.join(folder, 'a.npy');
      writeFileSync(file, npyFile(whole.subarray(3, 27), shape));
      expect(readNpy(file)).to.deep.equal({ data: whole.slice(3, 27), shape });
    }
  });

  it('write .safetensors whose data are aligned and in order', () => {
    for (const question of ['', 'what?', 'wie groß ist “das”? 🙂']) {
      const [a, b] = [new Float32Array([1, 2, 3, 4, 5, 6]), new Float32Array([7, -8]).subarray(1)];
      const bytes = safetensorsFile({ a: { data: a, shape: [2, 3] }, b: { data: b, shape: [1] } }, { question });
      const header = Number(bytes.readBigUInt64LE(0));
      expect((8 + header) % 8).to.equal(0);
      expect(JSON.parse(bytes.toString('utf8', 8, 8 + header))).to.deep.equal({
        __metadata__: { question },
        a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
        b: { dtype: 'F32', shape: [1], data_offsets: [24, 28] },
      });
      const file = path.join(folder, 'a.safetensors');
      writeFileSync(file, bytes);
      const tensors = readSafetensors(file);
      expect(tensors.get('a')?.data).to.deep.equal(a);
      expect(Array.from(tensors.get('b')?.data ?? [])).to.deep.equal([-8]);
    }
  });

  it('print text without control characters, numbers as ranges, bytes as a person reads them', () => {
    expect(printable('a\u001b[2Jb\u0007c\r\n\td')).to.equal('a[2Jbc\n\td');
    expect([[], [3], [0, 1, 2, 5, 8, 9]].map(ranges)).to.deep.equal(['none', '3', '0–2, 5, 8–9']);
    expect([0, 999, 1000, 2_900_000, 5e12].map(size)).to.deep.equal([
      '0 bytes',
      '999 bytes',
      '1.0 kB',
      '2.9 MB',
      '5000.0 GB',
    ]);
    expect(
      table([
        ['a', 'b'],
        ['long', 'c'],
      ]),
    ).to.equal('a     b\nlong  c\n');
  });
});
