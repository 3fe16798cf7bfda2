/** Answers that come late, and those that nobody waits for any more. */
import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { toBf16 } from '../../support/bf16';
import { expectRejection } from '../../support/expect-error';
import { refuse, type Respond, say, sendEvent, startEvents, tokenEvent } from '../../support/fake-vllm';
import { savedTensor } from '../../support/torch-tensor';
import { inTurn, pieces, TOKENS, vllmOfTest } from './support';

const say3: Respond = (received, response) => say(received, response, 'three words here');

describe('vLLM', () => {
  const { server, open } = vllmOfTest();

  describe('that is busy', () => {
    const busy =
      (status: number, headers = {}) =>
      (_: unknown, response: Parameters<typeof refuse>[0]) =>
        refuse(response, status, 'too many requests in the queue', headers);

    it('is asked again, after as long as it says', async () => {
      const date = new Date(Date.now() - 1000).toUTCString();
      server().respond = inTurn(busy(429, { 'retry-after': '0' }), busy(503, { 'retry-after': date }), say3);
      expect(await pieces(await open({ retries: 2 }))).to.deep.equal(['three', ' words', ' here']);
      const [first, ...others] = server().received;
      for (const { body } of others) expect(body).to.deep.equal(first!.body);
      expect(others).to.have.length(2);
    });

    it('is asked again after a while of our own choice', async () => {
      server().respond = inTurn(busy(503), say3);
      expect(await pieces(await open({ retries: 1 }))).to.have.length(3);
    });

    it('is given up after the last retry, with its own words', async () => {
      server().respond = busy(429, { 'retry-after': '0' });
      const message = /received status 429 Too Many Requests: "too many requests in the queue"$/;
      await expectRejection(pieces(await open({ retries: 2 })), 'ERR_BUSY', message);
      expect(server().received).to.have.length(3);
    });

    it('is not waited for longer than a minute', async () => {
      server().respond = busy(503, { 'retry-after': '3600' });
      await expectRejection(
        pieces(await open({ retries: 5 })),
        'ERR_BUSY',
        /soon back .* received one that asks for 3600 s$/,
      );
      expect(server().received).to.have.length(1);
    });

    it('is asked again after a connection that broke before the answer, not after one that broke inside it', async () => {
      server().respond = inTurn((_, response) => void response.destroy(), say3);
      expect(await pieces(await open({ retries: 1 }))).to.have.length(3);
      server().received.length = 0;
      server().respond = (received, response) => {
        startEvents(response);
        sendEvent(response, tokenEvent(received, 'one'));
        setImmediate(() => response.destroy());
      };
      await expectRejection(pieces(await open({ retries: 3 })), 'ERR_DEVICE', /broken connection/);
      expect(server().received).to.have.length(1);
    });

    it('is given up where it is silent amid its refusal, in its own words', async () => {
      server().respond = (_, response) => {
        response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '0' });
        response.write('busy');
      };
      await expectRejection(pieces(await open({ retries: 2, timeout: 300 })), 'ERR_BUSY', /received status 503 /);
      expect(server().received).to.have.length(1);
    });

    it('is left alone when the caller has had enough', async () => {
      server().respond = busy(503, { 'retry-after': '50' });
      const controller = new AbortController();
      const asking = pieces(await open({ retries: 5 }), 'a', { signal: controller.signal });
      asking.catch(() => undefined);
      while (server().received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      controller.abort(new Error('enough'));
      await expectRejection(asking, 'ERR_ABORTED', /completion for generate but received enough/);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });
  });

  describe('lifetime', () => {
    /** Says words without end; vLLM would stop when its client goes. */
    const endless: Respond = (received, response) => {
      startEvents(response);
      const timer = setInterval(() => sendEvent(response, tokenEvent(received, ' on')), 1);
      response.on('close', () => clearInterval(timer));
    };

    it('ends the request when the loop is left, when the signal fires, and when the model is closed', async () => {
      server().respond = endless;
      const controller = new AbortController();
      const model = await open();
      const start = async () => {
        const answer = model.generate(TOKENS, 'a', { maxNewTokens: 1e6, signal: controller.signal });
        const iterator = answer[Symbol.asyncIterator]();
        expect(await iterator.next()).to.deep.equal({ done: false, value: ' on' });
        return { iterator, left: server().last.left };
      };
      const first = await start();
      await first.iterator.return?.();
      await first.left;
      const second = await start();
      const third = await start();
      controller.abort(new Error('enough'));
      await expectRejection(second.iterator.next(), 'ERR_ABORTED', /enough/);
      await expectRejection(third.iterator.next(), 'ERR_ABORTED', /enough/);
      await Promise.all([second.left, third.left]);
      const other = model.generate(TOKENS, 'a', { maxNewTokens: 1e6 })[Symbol.asyncIterator]();
      await other.next();
      await model.close();
      await expectRejection(other.next(), 'ERR_ABORTED', /generate/);
      await server().last.left;
      await expectRejection(pieces(model), 'ERR_ARGUMENT', /an open model/);
    });

    it('sends nothing before the first piece is asked for, nor with a signal that has fired', async () => {
      const model = await open();
      model.generate(TOKENS, 'a');
      await expectRejection(pieces(model, 'a', { signal: AbortSignal.abort() }), 'ERR_ABORTED');
      expect(server().received).to.have.length(0);
    });

    it('does not see what happens to the tokens later', async () => {
      const data = TOKENS.data.slice();
      const answer = (await open()).generate({ ...TOKENS, data }, 'a')[Symbol.asyncIterator]();
      const first = answer.next();
      data.fill(0);
      await first;
      const { messages } = server().last.body as { messages: { content: { image_embeds: string }[] }[] };
      const { bytes } = savedTensor(Buffer.from(messages[0]!.content[0]!.image_embeds, 'base64'));
      expect(bytes.equals(Buffer.from(toBf16(TOKENS.data).buffer))).to.equal(true);
      await answer.return?.();
    });
  });
});
