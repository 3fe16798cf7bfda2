import { expect } from 'chai';
import { RequestError } from '../../../lib/serve/request-error';
import { readDataUrl } from '../../../lib/serve/security/data-url';

describe('data: URLs', () => {
  const read = (encoded: string, maxBytes = 6) => readDataUrl(`data:image/png;base64,${encoded}`, maxBytes, 'image');
  const refuse = (encoded: string, status: number, code: string, maxBytes?: number) =>
    expect(() => read(encoded, maxBytes))
      .to.throw(RequestError)
      .that.includes({ status, code, param: 'image' });

  it('hold as many bytes as they may', () => {
    const bytes = Buffer.from([0, 127, 128, 250, 251, 255]);
    expect(read(bytes.toString('base64'))).to.deep.equal(bytes);
    refuse(Buffer.alloc(7).toString('base64'), 413, 'image_too_large');
  });

  it('hold base64 as it is written, and something', () => {
    expect(read('aGk=')).to.deep.equal(Buffer.from('hi'));
    for (const encoded of ['', 'aGk', 'aGk=\n', 'aG k', 'aGk=aGk=', 'aGl=', '____']) {
      refuse(encoded, 400, 'invalid_base64', 100);
    }
  });
});
