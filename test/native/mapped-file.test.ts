import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadAddon } from '../../lib/binding/load';
import type { Device, MappedFile, WeightUpload } from '../../lib/binding/native';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter } from '../support/plan-writer';

const addon = loadAddon();

describe('native: mapped files', () => {
  let folder: string;
  const at = (name: string): string => path.join(folder, name);
  const write = (name: string, data: Uint8Array): string => {
    writeFileSync(at(name), data);
    return at(name);
  };
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'qavit-mapped-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('reads any region', () => {
    const file = new addon.MappedFile(
      write(
        'ten',
        Uint8Array.from({ length: 10 }, (_, i) => i),
      ),
    );
    expect([file.path, file.size]).to.deep.equal([at('ten'), 10]);
    expect(Buffer.isBuffer(file.read(0, 10))).to.equal(true);
    expect([...file.read(0, 10)]).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([...file.read(7, 2)]).to.deep.equal([7, 8]);
    expect(file.read(10, 0).length).to.equal(0);
    file.close();
  });

  it('refuses regions outside the file', () => {
    const file = new addon.MappedFile(write('five', new Uint8Array(5)));
    for (const [offset, length] of [
      [0, 6],
      [5, 1],
      [6, 0],
      [2 ** 53 - 1, 2 ** 53 - 1],
      [0, 2 ** 53 - 1],
    ] as const) {
      expectThrow(
        () => file.read(offset, length),
        'ERR_FORMAT',
        /^Expected a region inside its 5 bytes for ".*five" but received/,
      );
    }
    for (const wrong of [-1, 0.5, NaN, '0', undefined]) {
      expectThrow(() => file.read(wrong as number, 1), 'ERR_ARGUMENT');
      expectThrow(() => file.read(0, wrong as number), 'ERR_ARGUMENT');
    }
  });

  it('reads an empty file', () => {
    const file = new addon.MappedFile(write('empty', new Uint8Array(0)));
    expect(file.size).to.equal(0);
    expect(file.read(0, 0).length).to.equal(0);
  });

  it('refuses what is no file', () => {
    expectThrow(
      () => new addon.MappedFile(at('missing')),
      'ERR_ARGUMENT',
      `Expected a file that can be opened for "${at('missing')}" but received No such file or directory`,
    );
    expectThrow(
      () => new addon.MappedFile(folder),
      'ERR_FORMAT',
      `Expected a file for "${folder}" but received a directory`,
    );
    for (const wrong of [undefined, 1, {}, Buffer.from('x')])
      expectThrow(() => new addon.MappedFile(wrong as string), 'ERR_ARGUMENT');
    expectThrow(() => new addon.MappedFile('a\0b'), 'ERR_ARGUMENT', /without zero bytes/);
  });

  it('refuses a pipe nobody writes to, without waiting for one', function () {
    if (process.platform === 'win32') return this.skip();
    execFileSync('mkfifo', [at('pipe')]);
    expectThrow(() => new addon.MappedFile(at('pipe')), 'ERR_FORMAT', /a device or pipe$/);
  });

  it('reads no more than there is memory for, of a file that claims to hold it', () => {
    const claimed = 2 ** 40;
    write('sparse', new Uint8Array(1));
    truncateSync(at('sparse'), claimed);
    const file = new addon.MappedFile(at('sparse'));
    expectThrow(() => file.read(0, claimed), 'ERR_OUT_OF_MEMORY', /for MappedFile\.read/);
    expect(file.read(claimed - 3, 3)).to.deep.equal(Buffer.alloc(3));
  });

  it('refuses use after close()', () => {
    const file = new addon.MappedFile(write('closed', new Uint8Array(5)));
    file.close();
    file.close();
    expectThrow(
      () => file.read(0, 1),
      'ERR_ARGUMENT',
      'Expected an open MappedFile for MappedFile.read but received a closed one',
    );
  });

  it('survives a file that is truncated while it is open', () => {
    const file = new addon.MappedFile(write('shrinking', new Uint8Array(1 << 20)));
    truncateSync(at('shrinking'), 100);
    expect(file.read(0, 100).length).to.equal(100);
    expectThrow(
      () => file.read(0, 1 << 20),
      'ERR_FORMAT',
      /^Expected 1048576 bytes for ".*" but received 100: it was truncated after it was opened$/,
    );
  });

  describe('as a source of weights', () => {
    let device: Device;
    before(() => {
      device = new addon.Device({ kind: 'reference' });
    });
    after(() => device.close());

    const from = (file: MappedFile, offset: number): WeightUpload => ({
      source: [{ file, offset, elements: 4, name: 'four numbers' }],
      dtype: 'f32',
      shape: [1, 1, 4],
      role: 'table',
      computeDtype: 'f32',
    });

    /** Three bytes, then 1, 2, 3, 4: parameters need not be aligned in a file. */
    function fourNumbers(name: string): string {
      return write(name, Buffer.concat([Buffer.alloc(3), Buffer.from(Float32Array.of(1, 2, 3, 4).buffer)]));
    }

    it('packs regions at any offset, also when the handle is closed meanwhile', async () => {
      const file = new addon.MappedFile(fourNumbers('numbers'));
      const upload = device.upload([from(file, 3)]);
      file.close();
      const [table] = await upload;
      const plan = new PlanWriter('row');
      const index = plan.input([1, 1, 1], 'i32');
      plan.op('gather_rows', { index, out: plan.output([1, 1, 4]) }, { table: 0 });
      const [row] = await device.run(device.compile(plan.describe(), [table!]), [Int32Array.of(0)]);
      expect(Array.from(row as Float32Array)).to.deep.equal([1, 2, 3, 4]);
      await expectRejection(device.upload([from(file, 3)]), 'ERR_ARGUMENT', /a closed one$/);
    });

    it('refuses regions outside the file and files cut short', async () => {
      const file = new addon.MappedFile(fourNumbers('short'));
      await expectRejection(device.upload([from(file, 4)]), 'ERR_FORMAT', /a region inside its 19 bytes/);
      truncateSync(at('short'), 10);
      await expectRejection(device.upload([from(file, 3)]), 'ERR_FORMAT', /truncated after it was opened$/);
      const table = await device.upload([{ ...from(file, 0), source: new Float32Array(4) }]);
      expect(table).to.have.length(1);
    });

    it('needs little more resident memory than what it packs', () => {
      const [count, side] = [16, 1024];
      const bytes = count * side * side * 4;
      write('large', Buffer.alloc(bytes, 1));
      const script = path.join(__dirname, '..', 'support', 'upload-peak.js');
      const peak = Number(
        execFileSync(process.execPath, [script, at('large'), String(count), String(side)], { encoding: 'utf8' }),
      );
      expect(peak).to.be.greaterThan(bytes / 2); // f32 packed into bf16
      expect(peak).to.be.lessThan(bytes / 2 + 16 * 2 ** 20);
    });
  });
});
