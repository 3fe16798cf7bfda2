/** The key goes to the server and nowhere else. */
import { expect } from 'chai';
import { FakeVllm, refuse, sendEvent, startEvents } from '../../support/fake-vllm';
import { environment, pieces, vllmOfTest } from './support';

const KEY = 'sk-a-key-that-nobody-may-see-0123456789';

describe('the key of a vLLM server', () => {
  const { server, open } = vllmOfTest();
  const setVariable = environment();

  const failure = async (keyVariable = 'QAVIT_TEST_KEY') => {
    const error: unknown = await pieces(await open({ keyVariable })).catch((reason: unknown) => reason);
    return error as Error & { code: string };
  };

  it('goes to the server from the environment, changed ones too', async () => {
    const model = await open();
    setVariable('VLLM_API_KEY', KEY);
    await pieces(model);
    expect(server().last.headers.authorization).to.equal(`Bearer ${KEY}`);
    setVariable('VLLM_API_KEY', 'another');
    await pieces(model);
    expect(server().last.headers.authorization).to.equal('Bearer another');
    setVariable('VLLM_API_KEY', '');
    await pieces(model);
    expect(server().last.headers).to.not.have.property('authorization');
  });

  it('is not shown when the server echoes it, or part of it', async () => {
    setVariable('QAVIT_TEST_KEY', KEY);
    const echoes = [`Incorrect key: ${KEY}`, `Incorrect key: ${KEY.slice(0, 12)}***${KEY.slice(-8)}`, KEY.repeat(3)];
    for (const echo of echoes) {
      server().respond = (_, response) => refuse(response, 401, echo);
      const { code, message, ...rest } = await failure();
      expect(code).to.equal('ERR_ARGUMENT');
      expect(message).to.match(
        /^Expected the right key in environment variable QAVIT_TEST_KEY for .* status 401 .*\[key\]/,
      );
      for (let at = 0; at + 6 <= KEY.length; at++) expect(message).to.not.include(KEY.slice(at, at + 6));
      expect(JSON.stringify(rest)).to.not.include(KEY);
    }
    server().respond = (received, response) => {
      startEvents(response);
      sendEvent(response, { error: { message: `bad key ${received.headers.authorization}`, code: 401 } });
      response.end();
    };
    expect((await failure()).message).to.match(/"bad key Bearer \[key\]"$/);
    server().respond = (received, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:9/?key=${received.headers.authorization}` });
      response.end();
    };
    expect((await failure()).message)
      .to.include('[key]')
      .and.to.not.include(KEY);
  });

  it('is not shown however short it is', async () => {
    setVariable('QAVIT_TEST_KEY', 'q7w');
    server().respond = (_, response) => refuse(response, 401, 'Incorrect key: q7w');
    expect((await failure()).message).to.match(/"Incorrect key: \[key\]"$/);
  });

  it('is asked for where there is none', async () => {
    server().respond = (_, response) => refuse(response, 401, 'Unauthorized');
    const { message } = await failure('QAVIT_TEST_NO_KEY');
    expect(message).to.match(/^Expected a key in environment variable QAVIT_TEST_NO_KEY for .*: "Unauthorized"$/);
  });

  it('does not follow a redirect, nor do the tokens', async () => {
    setVariable('QAVIT_TEST_KEY', KEY);
    const other = await FakeVllm.start();
    for (const status of [301, 302, 303, 307, 308]) {
      server().respond = (received, response) => {
        response.writeHead(status, { location: `${other.origin}${received.path}` });
        response.end();
      };
      const { code, message } = await failure();
      expect(code).to.equal('ERR_ARGUMENT');
      expect(message).to.match(/^Expected the address of the server itself for .* a redirect \(status 30\d\) to "http/);
    }
    expect(other.received).to.have.length(0);
    await other.close();
  });

  it('is refused where no header can carry it, unseen', async () => {
    for (const bad of [`${KEY}\nhost: evil`, `${KEY} `, 'schlüssel-von-jemandem']) {
      setVariable('QAVIT_TEST_KEY', bad);
      const { code, message } = await failure();
      expect(code).to.equal('ERR_ARGUMENT');
      expect(message).to.match(/a key in environment variable QAVIT_TEST_KEY .* characters that no header has$/);
    }
    expect(server().received).to.have.length(0);
  });
});
