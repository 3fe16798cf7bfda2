// Feed vLLM: qavit looks at the picture once, encodes it under each question, and a vLLM server answers from the visual tokens, whose width
// must be its model's.
//
//   vllm serve llava-hf/llava-1.5-7b-hf --enable-mm-embeds
//   node examples/vllm.mjs 'http://127.0.0.1:8000/v1#llava-hf/llava-1.5-7b-hf' my-model picture.png "what is on the sign?" "who is there?"
//
// VLLM_API_KEY is the key where the server asks for one. Where one question a picture is all, QAViT.load({ tower, adapter, language: server })
// and ask() do the same.
import { QAViT } from 'qavit';
import { openVllm } from 'qavit/vllm';

const [server, folder, image, ...questions] = process.argv.slice(2);
if (questions.length === 0) {
  console.error('usage: node examples/vllm.mjs <address#model> <model folder> <image> <question...>');
  process.exit(2);
}
const model = await QAViT.load(folder);
const language = await openVllm(server, { width: model.info.E });
try {
  const seen = await model.look(image);
  for (const question of questions) {
    const tokens = await model.encode(seen, question);
    process.stdout.write(`${question} `);
    for await (const text of language.generate(tokens, question)) process.stdout.write(text);
    process.stdout.write('\n');
  }
} finally {
  await Promise.all([language.close(), model.close()]);
}
