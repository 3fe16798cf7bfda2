import { expect } from 'chai';
import type { FastifyInstance } from 'fastify';
import sharp from 'sharp';
import { QAViT } from '../../../lib';
import { createServer } from '../../../lib/serve';
import { type AskedLlava, expectedLlava, llavaFolder, llavaTensors, NEW_TOKENS } from '../../support/vision-language';

describe('a vision-language model behind the server', function () {
  this.timeout(120_000);
  let model: QAViT;
  let app: FastifyInstance;
  let picture: { type: 'image_url'; image_url: { url: string } };

  before(async () => {
    const { data, width, height } = llavaTensors('clip-llama').picture;
    const png = await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
    picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${png.toString('base64')}` } };
    model = await QAViT.load(llavaFolder('clip-llama'), { device: 'cpu', dtype: 'f32' });
    app = await createServer({ llava: model });
  });
  after(async () => {
    await app.close();
    await model.close();
  });

  const text = (words: string) => ({ type: 'text', text: words });
  async function post(messages: object[]) {
    const payload = { model: 'llava', max_tokens: NEW_TOKENS, messages };
    const { statusCode, body } = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload });
    return { status: statusCode, body: JSON.parse(body) as Answer & Refusal };
  }
  interface Answer {
    choices: { message: { content: string } }[];
  }
  interface Refusal {
    error: { code: string; message: string; param: string };
  }

  const conversation = ({ question, system, before }: AskedLlava): object[] => [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: [...(before === undefined ? [] : [text(before)]), picture, text(question)] },
  ];

  it('hears system messages and what is said before the picture, as transformers does', async () => {
    const { answers } = expectedLlava('clip-llama');
    expect(answers.some(({ system }) => system !== undefined)).to.equal(true);
    expect(answers.some(({ before }) => before !== undefined)).to.equal(true);
    for (const asked of answers) {
      const { status, body } = await post(conversation(asked));
      expect(status, JSON.stringify(body)).to.equal(200);
      expect(body.choices[0]?.message.content).to.equal(asked.text);
    }
  });

  it('takes a text alone as the question, on either side of the picture', async () => {
    const plain = expectedLlava('clip-llama').answers.find(({ system, before }) => (system ?? before) === undefined)!;
    const { body } = await post([{ role: 'user', content: [text(plain.question), picture] }]);
    expect(body.choices[0]?.message.content).to.equal(plain.text);
  });

  it('refuses what its template has no place for', async () => {
    const user = { role: 'user', content: [picture, text('what is it?')] };
    const refused: [string, object[]][] = [
      ['messages[1].role', [user, { role: 'system', content: 'late' }]],
      ['messages[0].content[0].image_url.url', [{ role: 'system', content: [picture] }, user]],
      ['messages[0].role', [{ role: 'assistant', content: 'hello' }, user]],
      ['messages[0].content[2].text', [{ role: 'user', content: [picture, text('one'), text('two')] }]],
      ['messages[1].content', [user, { role: 'user', content: 'and this?' }]],
    ];
    for (const [param, messages] of refused) {
      const { status, body } = await post(messages);
      expect([status, body.error.code, body.error.param]).to.deep.equal([400, 'unsupported_conversation', param]);
    }
    const long = await post([{ role: 'system', content: 'x'.repeat(100_000) }, user]);
    expect([long.status, long.body.error.code]).to.deep.equal([400, 'question_too_long']);
    const spelled = await post([{ role: 'system', content: 'an <image> of' }, user]);
    expect(spelled.status).to.equal(400);
  });
});
