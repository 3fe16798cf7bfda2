import { expect } from 'chai';
import childProcess from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mock } from 'node:test';
import { type ChatFiles, readChatFiles } from '../../lib/llm/chat/chat-files';
import { ChatPrompt } from '../../lib/llm/chat/chat-prompt';
import { keepUnknownEscapes } from '../../lib/llm/chat/unknown-escapes';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { expectRejection } from '../support/expect-error';
import { copyLlava, expectedLlava, framingOf, llavaFolder, LLAVAS } from '../support/vision-language';
import { writeJson } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const IMAGE = '<image>';
const IMAGE_TOKEN = 2;

async function withPrompt<T>(
  dir: string,
  change: (files: ChatFiles) => ChatFiles,
  use: (prompt: ChatPrompt) => Promise<T>,
): Promise<T> {
  const tokenizer = await TextTokenizer.load(path.join(dir, 'tokenizer.json'));
  const files = await readChatFiles(dir);
  if (!files) throw new Error(`no chat template in ${dir}`);
  const prompt = await ChatPrompt.open(tokenizer, change(files), {
    token: IMAGE_TOKEN,
    spelled: IMAGE,
    inTemplates: IMAGE,
    picture: () => IMAGE,
  });
  try {
    return await use(prompt);
  } finally {
    await prompt.close();
  }
}

const plain = { maxTokens: undefined };

describe('chat prompts', () => {
  const at = temporaryFolder();

  for (const name of LLAVAS) {
    const { answers, prompts } = expectedLlava(name);

    it(`are the tokens of transformers' processor: ${name}`, () =>
      withPrompt(
        llavaFolder(name),
        (files) => files,
        async (prompt) => {
          for (const asked of answers) {
            const { texts } = await prompt.write({ ...plain, text: asked.question }, framingOf(asked));
            expect([...texts[0], IMAGE_TOKEN, ...texts[1]]).to.deep.equal(asked.ids);
          }
        },
      ));

    for (const template of new Set(prompts.map((each) => each.template))) {
      const cases = prompts.filter((each) => each.template === template);
      it(`are, in another template, the tokens of transformers' processor: ${name}, ${cases[0]!.name}`, () =>
        withPrompt(
          llavaFolder(name),
          (files) => ({ ...files, source: template }),
          async (prompt) => {
            for (const asked of cases) {
              const { texts } = await prompt.write({ ...plain, text: asked.question }, framingOf(asked));
              expect([...texts[0], IMAGE_TOKEN, ...texts[1]]).to.deep.equal(asked.ids);
            }
          },
        ));
    }
  }

  it('are found where transformers looks for them, in its order', async () => {
    const dir = copyLlava('clip-llama', at('places'));
    const found = async () => path.basename((await readChatFiles(dir))!.file);
    expect(await found()).to.equal('chat_template.jinja');
    writeJson(path.join(dir, 'chat_template.json'), { chat_template: 'b' });
    expect(await found()).to.equal('chat_template.json');
    writeJson(path.join(dir, 'processor_config.json'), { chat_template: 'a' });
    expect(await found()).to.equal('processor_config.json');
    for (const name of ['chat_template.json', 'processor_config.json', 'chat_template.jinja'])
      rmSync(path.join(dir, name));
    expect(await readChatFiles(dir)).to.equal(undefined);
    const list = [
      { name: 'tools', template: 'c' },
      { name: 'default', template: 'd' },
    ];
    writeJson(path.join(dir, 'processor_config.json'), { chat_template: { tools: 'c', default: 'e' } });
    expect((await readChatFiles(dir))!.source).to.equal('e');
    rmSync(path.join(dir, 'processor_config.json'));
    const specials = { bos_token: { content: '<s>' }, eos_token: '</s>', model_max_length: 5, chat_template: list };
    writeJson(path.join(dir, 'tokenizer_config.json'), specials);
    writeJson(path.join(dir, 'special_tokens_map.json'), { pad_token: '</s>', bos_token: 'of before' });
    expect(await readChatFiles(dir)).to.deep.equal({
      source: 'd',
      file: path.join(dir, 'tokenizer_config.json'),
      specials: { bos_token: '<s>', eos_token: '</s>', pad_token: '</s>' },
    });
  });

  it('refuse files that hold no template', async () => {
    const dir = copyLlava('clip-llama', at('none'));
    const file = path.join(dir, 'chat_template.json');
    for (const chat_template of [5, {}, { tools: 'c' }, [{ name: 'tools', template: 'c' }]]) {
      writeJson(file, { chat_template });
      await expectRejection(readChatFiles(dir), 'ERR_FORMAT', /a text for chat_template of .*chat_template\.json/);
    }
    writeFileSync(file, '{');
    await expectRejection(readChatFiles(dir), 'ERR_FORMAT', /JSON for .*chat_template\.json/);
    rmSync(file);
    writeFileSync(path.join(dir, 'chat_template.jinja'), '{# #}'.repeat(100000));
    await expectRejection(
      readChatFiles(dir),
      'ERR_FORMAT',
      /at most 262144 characters for .* received 500000 characters/,
    );
  });

  it('give a template that takes content as a text what it takes', () =>
    withPrompt(
      llavaFolder('clip-llama'),
      (files) => ({ ...files, source: "{% for m in messages %}{{ m['role'] + ':' + m['content'] }};{% endfor %}" }),
      async (prompt) => {
        const tokenizer = await TextTokenizer.load(path.join(llavaFolder('clip-llama'), 'tokenizer.json'));
        const { texts } = await prompt.write({ ...plain, text: 'what?' }, { system: 'yes.', before: 'see:' });
        const wanted = await tokenizer.encode('system:yes.;user:see:\n<image>\nwhat?;');
        expect([...texts[0], IMAGE_TOKEN, ...texts[1]]).to.deep.equal(wanted);
      },
    ));

  // As LLaVA-NeXT's with Mistral, whose answers end in <\s>.
  const MISTRAL =
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {% for p in m['content'] %}" +
    "{{ '<image>\\n' if p['type'] == 'image' else p['text'] }}{% endfor %} [/INST]" +
    "{% else %}{{ ' ' + m['content'] + '<\\s> ' }}{% endif %}{% endfor %}";

  it('take backslashes that escape nothing, as Jinja does', () =>
    withPrompt(
      llavaFolder('clip-llama'),
      (files) => ({ ...files, source: `{{ '\\d\\\\s\\n' }}${MISTRAL}` }),
      async (prompt) => {
        const tokenizer = await TextTokenizer.load(path.join(llavaFolder('clip-llama'), 'tokenizer.json'));
        const { texts } = await prompt.write({ ...plain, text: 'what?' }, {});
        const wanted = await tokenizer.encode('\\d\\s\n[INST] <image>\nwhat? [/INST]');
        expect([...texts[0], IMAGE_TOKEN, ...texts[1]]).to.deep.equal(wanted);
      },
    ));

  it('have their backslashes doubled in string literals alone, and only those that escape nothing', () => {
    const kept = [
      String.raw`a\s{# '\s {{ #}{{ '\n\'\"\\s\x41' }}\s`,
      String.raw`{% set a = "\u0041'\t" %}{{ a }}{ '\s' }`,
      String.raw`{{ 'left open\n`,
      String.raw`{# '\s`,
      '{{',
      '',
    ];
    for (const source of kept) expect(keepUnknownEscapes(source)).to.equal(source);
    expect(keepUnknownEscapes(String.raw`{{ '<\s>' }}`)).to.equal(String.raw`{{ '<\\s>' }}`);
    expect(keepUnknownEscapes(String.raw`{%- if x == "\-" -%}\-`)).to.equal(String.raw`{%- if x == "\\-" -%}\-`);
    const nested = String.raw`{{ {'a': {'b': '}}\s'}}['a'] }}'\s'`;
    expect(keepUnknownEscapes(nested)).to.equal(String.raw`{{ {'a': {'b': '}}\\s'}}['a'] }}'\s'`);
    // Its end is a backslash.
    expect(keepUnknownEscapes(String.raw`{{ '` + '\\')).to.equal(String.raw`{{ '` + '\\');
  });

  it('are cut in the question alone', () =>
    withPrompt(
      llavaFolder('clip-llama'),
      (files) => files,
      async (prompt) => {
        const long = await prompt.write({ text: 'what digit is on the red square?', maxTokens: 4 }, {});
        const other = await prompt.write({ text: 'what digit is the other?', maxTokens: 4 }, {});
        expect(long).to.deep.equal(other);
      },
    ));

  it('do not let a text bring a picture', () =>
    withPrompt(
      llavaFolder('siglip-qwen'),
      (files) => files,
      async (prompt) => {
        for (const [text, framing] of [
          ['an <image>', {}],
          ['a', { system: '<image>' }],
          ['a', { before: 'b<image>' }],
        ] as const) {
          const writing = prompt.write({ ...plain, text }, framing);
          await expectRejection(
            writing,
            'ERR_ARGUMENT',
            /a text without <image> for (the question|option system|option before) but/,
          );
        }
      },
    ));

  it('say what a template says against messages', () => {
    const source =
      "{% if messages[0].role == 'system' %}{{ raise_exception('no system message') }}{% endif %}" +
      '<image>{{ messages[0].content[-1].text }}';
    return withPrompt(
      llavaFolder('clip-llama'),
      (files) => ({ ...files, source }),
      async (prompt) => {
        expect((await prompt.write({ ...plain, text: 'a' }, {})).texts[1]).to.have.length.above(0);
        const refused = prompt.write({ ...plain, text: 'a' }, { system: 'b' });
        await expectRejection(
          refused,
          'ERR_ARGUMENT',
          /messages that it takes for the chat template .* "no system message"/,
        );
        expect((await prompt.write({ ...plain, text: 'a' }, {})).texts[1]).to.have.length.above(0);
      },
    );
  });

  describe('refuse a template', () => {
    const refuse = (source: string, message: RegExp) =>
      expectRejection(
        withPrompt(
          llavaFolder('clip-llama'),
          (files) => ({ ...files, source }),
          () => Promise.resolve(),
        ),
        'ERR_FORMAT',
        message,
      );
    const forever = '{% for a in range(100000) %}{% for b in range(100000) %}{% set c = b %}{% endfor %}{% endfor %}';
    const growing = (what: string) =>
      `{% set n = namespace(x=${what}) %}{% for a in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}`;

    it('that is none', async () => {
      const message = /^Expected one <image> for a picture for the chat template .* but received "/;
      for (const source of ['{% for %}', '{{ ', '{% if x %}', '{{ 1 + }}', '{{ nothing() }}', '{% include "a" %}']) {
        await refuse(source, message);
      }
    });

    it('without a place for a picture, or with two', async () => {
      await refuse('', /received 0 of them/);
      await refuse('{{ messages[0].content[1].text }}', /received 0 of them/);
      await refuse('<image>{{ messages[0].content[1].text }}<image>', /received 2 of them/);
    });

    it('in either form, and say what is wrong with the usual one', () =>
      refuse("{{ raise_exception('a text' if messages[0].content is string else 'a list') }}", /received "a list"$/));

    it('and leave no process behind', async () => {
      const fork = mock.method(childProcess, 'fork');
      try {
        await refuse('<image><image>', /received 2 of them/);
        const [child] = fork.mock.calls.map(({ result }) => result);
        expect(child?.signalCode).to.equal('SIGKILL');
      } finally {
        fork.mock.restore();
      }
    });

    it('that does not end', () =>
      refuse(`${forever}<image>`, /in seconds and 64 MB, for .* received no end after 3000 ms/));

    it('that calls itself without end', () =>
      refuse('{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}<image>', /received "/));

    it('that writes without end', () =>
      refuse(
        '<image>{% for a in range(3000) %}{{ "x" * 1 }}{% for b in range(1000) %}y{% endfor %}{% endfor %}',
        /received /,
      ));

    it('that needs more memory than a prompt', async () => {
      await refuse(`${growing('[1, 2]')}<image>`, /64 MB, for .* received (the signal SIGABRT|no end after)/);
      await refuse(`${growing('"ab"')}{{ n.x }}<image>`, /received /);
      await refuse(
        '{% set a = range(1000000000) %}<image>',
        /64 MB, for .* received (the signal SIGABRT|no end after)/,
      );
    });

    it('that costs time before it runs', () => refuse(' '.repeat(200000) + '<image><image>', /received /));

    it('that reaches for the process', async () => {
      for (const expression of [
        "messages.constructor.constructor('return process')()",
        "range.constructor('return process')()",
        "''.__class__.__mro__",
        'messages.__proto__.x.y',
        'process.env',
        "this.constructor.constructor('return process')().env",
        'globalThis.process.env.PATH',
      ]) {
        await refuse(`{{ ${expression} }}`, /received ("|0 of them)/);
      }
    });
  });
});
