import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { QAViTError, type QAViTErrorCode } from '../../../lib/errors';
import { openTorchFile } from '../../../lib/weights/torch/torch-file';
import { expectThrow } from '../../support/expect-error';
import { temporaryFolder } from '../../support/temporary';
import { SIX, torchBytes, type TorchToWrite } from '../../support/torch-writer';
import type { ZipItem } from '../../support/zip-writer';

describe('archives of torch.save', () => {
  const at = temporaryFolder();

  const write = (bytes: Uint8Array): string => {
    writeFileSync(at('model.bin'), bytes);
    return at('model.bin');
  };
  const refuse = (file: TorchToWrite | Uint8Array, message: RegExp, code: QAViTErrorCode = 'ERR_FORMAT'): void => {
    const path = write(file instanceof Uint8Array ? file : torchBytes(file));
    expectThrow(() => openTorchFile(path), code, message);
    expectThrow(() => openTorchFile(path), code, /model\.bin/);
  };
  const read = (file: TorchToWrite): number[] => {
    const { file: opened, tensors } = openTorchFile(write(torchBytes(file)));
    const numbers = [...tensors[0]!.read()];
    opened.close();
    return numbers;
  };
  /** Changes the entry of the numbers. */
  const numbers = (change: Partial<ZipItem>): TorchToWrite => ({
    change: (items) => items.map((item) => (item.name === 'archive/data/0' ? { ...item, ...change } : item)),
  });

  it('are read with and without zip64 records, with a comment, in any folder', () => {
    const wanted = [1, 2, 3, 4, 5, 6];
    expect(read({})).to.deep.equal(wanted);
    expect(read({ zip: { wideEnd: false } })).to.deep.equal(wanted);
    expect(read({ zip: { comment: 'PK\x05\x06 is no end record here'.repeat(9) } })).to.deep.equal(wanted);
    expect(read(numbers({ wide: true }))).to.deep.equal(wanted);
    const all = { count: 0xffff, directoryBytes: 0xffffffff, directoryOffset: 0xffffffff };
    expect(read({ zip: all, change: (items) => items.map((item) => ({ ...item, wide: true })) })).to.deep.equal(wanted);
    const renamed = (items: ZipItem[]) =>
      items.map((item) => ({ ...item, name: (item.name as string).replace('archive', 'qavit-base2') }));
    expect(read({ change: renamed })).to.deep.equal(wanted);
  });

  it('are refused where the end is missing or lies', () => {
    refuse(new Uint8Array(), /an empty file/);
    refuse(Buffer.from('PK'), /begins with the bytes 504b/);
    const whole = torchBytes();
    refuse(whole.subarray(0, -1), /end record .* none \(truncated\?\)/);
    refuse(Buffer.concat([whole, Buffer.alloc(1)]), /end record .* none/);
    refuse({ zip: { disk: 1 } }, /in one part .* one of several/);
    refuse({ zip: { wideEnd: false, directoryOffset: 5 } }, /directory that ends at byte \d+ .* \d+ bytes at 5 /);
    refuse({ zip: { wideEnd: false, directoryBytes: 0xfffffff0 } }, /directory that ends at byte/);
    refuse({ zip: { wideEnd: false, directoryOffset: 0xffffffff } }, /directory that ends at byte/);
  });

  it('are refused where zip64 records lie', () => {
    refuse({ zip: { locator: 2n ** 63n } }, /below 2\^53/);
    refuse({ zip: { locator: 2n ** 40n } }, /zip64 end record before byte \d+ .* at 1099511627776/);
    refuse({ zip: { locator: 3n } }, /zip64 end record at byte 3 .* something else/);
    refuse({ zip: { wideOffset: 2n ** 64n - 1n, directoryOffset: 0xffffffff } }, /below 2\^53/);
    refuse({ zip: { wideOffset: 7n } }, /end records that agree/);
    refuse({ zip: { wideCount: 3n } }, /end records that agree/);
    refuse({ zip: { wideCount: 3n, count: 0xffff } }, /3 entries in/);
    refuse({ zip: { wideCount: 2n ** 50n, count: 0xffff } }, /at most 262144 entries .* 1125899906842624 and/);
    refuse({ zip: { wideCount: 5n, count: 0xffff } }, /an entry at byte \d+ of the zip directory/);
    refuse(numbers({ wide: true, wideValues: [24n] }), /64-bit fields/);
    refuse(numbers({ wide: true, wideValues: [24n, 24n, 2n ** 60n] }), /below 2\^53/);
    refuse(numbers({ wide: true, wideValues: [24n, 24n, 2n ** 50n] }), /a local header .* none at byte/);
  });

  it('are refused where an entry lies about its place or size', () => {
    refuse(numbers({ localOffset: 1 }), /a local header for entry "archive\/data\/0" .* none at byte 1/);
    refuse(numbers({ localOffset: 0xfffffff0 }), /a local header/);
    refuse(numbers({ localOffset: 0 }), /its own local header .* another entry's/);
    refuse(numbers({ localName: 'archive/data/1' }), /its own local header/);
    refuse(numbers({ bytes: 0x7fffffff, packedBytes: 0x7fffffff }), /data before byte \d+ .* 2147483647 bytes at/);
    refuse(numbers({ bytes: 48 }), /48 stored bytes .* 24/);
  });

  it('are refused where entries are compressed or encrypted, without unpacking any', () => {
    refuse(numbers({ method: 8, bytes: 2 ** 31 }), /stored data .* compressed data \(method 8\)/, 'ERR_UNSUPPORTED');
    refuse(numbers({ flags: 9 }), /encrypted data/, 'ERR_UNSUPPORTED');
    const packed = (items: ZipItem[]) => items.map((item, i) => (i === 0 ? { ...item, method: 8 } : item));
    refuse({ change: packed }, /entry "archive\/data\.pkl" .* compressed/, 'ERR_UNSUPPORTED');
  });

  it('are refused where names are doubled, no text, or lead elsewhere', () => {
    const also = (...names: (string | Buffer)[]): TorchToWrite => ({
      change: (items) => [...items, ...names.map((name) => ({ name, data: SIX }))],
    });
    refuse(also('archive/data/0'), /each entry once .* "archive\/data\/0" twice/);
    refuse(also(Buffer.from([0x61, 0xff, 0xfe])), /names of entries in UTF-8 .* 61fffe/);
    for (const name of ['../x', 'archive/../../x', '/etc/passwd', 'a\\b', 'a\0b', '', '..']) {
      refuse(also(name), /names of entries inside the archive/);
    }
    refuse(also('other/data.pkl'), /one entry data\.pkl .* those in archive and other/);
    refuse({ change: (items) => items.slice(1) }, /one entry data\.pkl .* none/);
  });

  it('are refused where the records say what is not understood', () => {
    refuse({ records: { version: null } }, /version 1 to 10 .* "none"/);
    refuse({ records: { version: 'three' } }, /version 1 to 10 .* "three"/);
    for (const version of ['0', '11\n']) refuse({ records: { version } }, /version 1 to 10/, 'ERR_UNSUPPORTED');
    refuse({ records: { version: '3'.repeat(65) } }, /at most 64 bytes/);
    refuse({ records: { byteorder: 'big' } }, /little-endian .* byteorder "big"/, 'ERR_UNSUPPORTED');
    refuse({ records: { byteorder: 'middle' } }, /little-endian/);
    expect(read({ records: { byteorder: null } })).to.have.length(6);
  });

  it('never do worse than an error, whatever byte is changed or missing', () => {
    const whole = torchBytes();
    let refused = 0;
    const open = (bytes: Uint8Array): void => {
      try {
        const { file, tensors } = openTorchFile(write(bytes));
        file.close();
        expect(tensors).to.have.length(1);
      } catch (error) {
        expect(error).to.be.instanceOf(QAViTError);
        refused += 1;
      }
    };
    for (let length = 0; length < whole.length; length += 7) open(whole.subarray(0, length));
    expect(refused).to.equal(Math.ceil(whole.length / 7));
    for (let i = 0; i < whole.length; i += 1) {
      const bytes = Buffer.from(whole);
      bytes[i]! ^= [0xff, 0x01, 0x80][i % 3]!;
      open(bytes);
    }
  });
});
