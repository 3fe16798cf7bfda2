import { expect } from 'chai';
import { expected } from '../lib/errors';

describe('messages of errors', () => {
  const received = (value: unknown): string =>
    expected('ERR_FORMAT', 'a number', 'a field', value).message.replace(
      'Expected a number for a field but received ',
      '',
    );

  it('name the class of an object', () => {
    class Bag {}
    expect([{}, new Bag(), new Map(), new Uint8Array(3)].map(received)).to.deep.equal([
      'Object',
      'Bag',
      'Map',
      'Uint8Array of 3 bytes',
    ]);
    expect(received(Object.create(null))).to.equal('an object');
  });

  it('do not believe what a file says of a constructor', () => {
    const names = ['{"toString":null}', '"a\\n\\u001b[31mred"', '5', 'null'];
    for (const name of names) expect(received(JSON.parse(`{"constructor":{"name":${name}}}`)), name).to.equal('Object');
    expect(received(JSON.parse('{"constructor":null,"__proto__":{"constructor":{"name":"a b"}}}'))).to.equal('Object');
  });
});
