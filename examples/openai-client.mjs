// OpenAI's own client, unchanged, against `qavit serve`: the answer is printed as it is written.
//
//   npx qavit serve &
//   node examples/openai-client.mjs models/demo/samples/shapes.png "what digit is on the red square?"
//
// OPENAI_BASE_URL says where the server is, OPENAI_API_KEY what lets you in where it asks for a key.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import OpenAI from 'openai';

const [image, question] = process.argv.slice(2);
if (!image || !question) {
  console.error('usage: node examples/openai-client.mjs <image> <question>');
  process.exit(2);
}
const { OPENAI_BASE_URL: baseURL = 'http://127.0.0.1:8000/v1', OPENAI_API_KEY: apiKey = 'none' } = process.env;
const client = new OpenAI({ baseURL, apiKey });

const type = path.extname(image).slice(1).replace('jpg', 'jpeg');
const url = `data:image/${type};base64,${await readFile(image, 'base64')}`;
const { data: models } = await client.models.list();
const stream = await client.chat.completions.create({
  model: models[0].id,
  stream: true,
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: question },
        { type: 'image_url', image_url: { url } },
      ],
    },
  ],
});
for await (const { choices } of stream) process.stdout.write(choices[0]?.delta.content ?? '');
process.stdout.write('\n');
