/** What answers at an address need not be vLLM: other answers and refusals end in a QAViTError that says what came. */
import { expect } from 'chai';
import type { QAViTErrorCode } from '../../../lib';
import { refuse, type Respond, sendEvent, startEvents, tokenEvent } from '../../support/fake-vllm';
import { answering, failing, pieces, vllmOfTest } from './support';

describe('a hostile server', () => {
  const { server, open } = vllmOfTest();
  const fails = failing({ server, open });

  describe('that answers something else', () => {
    const whole = JSON.stringify({ choices: [{ message: { content: 'hi' } }] });
    const page =
      '<html><head><style>b{}</style><title>Welcome</title></head><body><script>x()</script>Log in</body></html>';
    const wrong: [string, Respond, QAViTErrorCode, RegExp][] = [
      [
        'a page',
        answering(200, 'text/html', page),
        'ERR_FORMAT',
        /\(text\/event-stream\) .* text\/html: "Welcome Log in"$/,
      ],
      ['an answer in one', answering(200, 'application/json', whole), 'ERR_FORMAT', /received application\/json: "/],
      ['nothing', answering(200, undefined, ''), 'ERR_FORMAT', /received no content type: ""$/],
      ['no content', answering(204, undefined, ''), 'ERR_FORMAT', /status 204 No Content$/],
      [
        'events that are no JSON',
        answering(200, 'text/event-stream', 'data: hello\n\n'),
        'ERR_FORMAT',
        /JSON objects .* "hello"$/,
      ],
      [
        'events of lists',
        answering(200, 'text/event-stream', 'data: [1]\n\n'),
        'ERR_FORMAT',
        /JSON objects .* "\[1\]"$/,
      ],
      [
        'events of others',
        answering(200, 'text/event-stream', 'data: {"a":1,"b":2}\n\n'),
        'ERR_FORMAT',
        /choices .* with a, b$/,
      ],
      [
        'choices that are none',
        answering(200, 'text/event-stream', 'data: {"choices":[7]}\n\n'),
        'ERR_FORMAT',
        /choices/,
      ],
      [
        'text that is none',
        answering(200, 'text/event-stream', 'data: {"choices":[{"delta":{"content":[1]}}]}\n\n'),
        'ERR_FORMAT',
        /text in events .* a object/,
      ],
      ['no event at all', answering(200, 'text/event-stream', ''), 'ERR_DEVICE', /breaks off after 0 events$/],
      [
        'half an answer',
        (received, response) => {
          startEvents(response);
          sendEvent(response, tokenEvent(received, 'one'));
          response.end('data: {"choices":[{"del');
        },
        'ERR_DEVICE',
        /breaks off after 1 events$/,
      ],
    ];
    for (const [what, respond, code, message] of wrong) it(what, () => fails(respond, code, message));
  });

  describe('that refuses', () => {
    const said = 'The model `tiny` does not exist.';
    const wrong: [string, Respond, QAViTErrorCode, RegExp][] = [
      [
        'as vLLM does',
        (_, response) => refuse(response, 404, said),
        'ERR_ARGUMENT',
        /status 404 Not Found: "The model `tiny` does not exist\."$/,
      ],
      [
        'as older ones do',
        answering(400, 'application/json', JSON.stringify({ object: 'error', message: said })),
        'ERR_ARGUMENT',
        /400 Bad Request: "The model/,
      ],
      [
        'as FastAPI does',
        answering(422, 'application/json', '{"detail":[{"msg":"field required"}]}'),
        'ERR_ARGUMENT',
        /field required/,
      ],
      [
        'with a page',
        answering(502, 'text/html', '<h1>502 Bad Gateway</h1><hr>nginx'),
        'ERR_DEVICE',
        /502 Bad Gateway: "502 Bad Gateway nginx"$/,
      ],
      [
        'a body too large',
        answering(413, 'text/html', '<title>413 Request Entity Too Large</title>'),
        'ERR_ARGUMENT',
        /413 Payload Too Large: "413 Request/,
      ],
      ['without a word', answering(500, undefined, ''), 'ERR_DEVICE', /received status 500 Internal Server Error$/],
      ['with an unknown status', answering(599, 'text/plain', 'x'), 'ERR_DEVICE', /received status 599: "x"$/],
      [
        'inside the stream',
        (received, response) => {
          startEvents(response);
          sendEvent(response, tokenEvent(received, 'one'));
          sendEvent(response, { error: { message: 'out of blocks', type: 'BadRequestError', code: 400 } });
          sendEvent(response, '[DONE]');
          response.end();
        },
        'ERR_ARGUMENT',
        /an error: "out of blocks"$/,
      ],
      [
        'inside the stream, as older ones do',
        (_, response) => {
          startEvents(response);
          sendEvent(response, { object: 'error', message: 'out of blocks', type: 'BadRequestError', code: 400 });
          response.end();
        },
        'ERR_ARGUMENT',
        /an error: "out of blocks"$/,
      ],
      [
        'by ending the work',
        (received, response) => {
          startEvents(response);
          sendEvent(response, tokenEvent(received, '', 'abort'));
          sendEvent(response, '[DONE]');
          response.end();
        },
        'ERR_DEVICE',
        /finish_reason abort/,
      ],
    ];
    for (const [what, respond, code, message] of wrong) it(what, () => fails(respond, code, message));

    it('with words that would steer a terminal or forge a log', async () => {
      const evil = `one\u001b[2J\r\n2026 ERROR two\u202e${'x'.repeat(5000)}`;
      server().respond = (_, response) => refuse(response, 400, evil);
      const error: unknown = await pieces(await open()).catch((failure: unknown) => failure);
      const { message } = error as Error;
      expect(message).to.not.match(/\p{C}/u);
      expect(message).to.match(/"one \[2J 2026 ERROR two x+\.\.\."$/);
      expect(message.length).to.be.lessThan(700);
    });
  });
});
