import { QAViTError, type QAViTErrorCode } from '../errors';
import { ServerFailure } from '../llm/vllm/failures';

/** Where a code says too little of what to do. The first that matches counts. */
const BY_MESSAGE: readonly (readonly [RegExp, string])[] = [
  [/^Expected JPEG, PNG, /, 'open it in a program that shows it and save it as PNG or JPEG.'],
  [
    /^Expected (an undamaged picture|a readable file for image)/,
    'copy or save it again; its permissions and its end count too.',
  ],
  [/^Expected a regular file for/, 'pipe it in: qavit ask - "..." < picture.png'],
  [/^Expected text\b.* for the question/, 'ask in words: "what color is the star?"'],
  [/^Expected at most \d+ (pixels|bytes)\b/, 'make the picture smaller first.'],
  [/^Expected a model with a language model/, 'give one with --tower and --language, or a whole model with --model.'],
  [/^Expected (a model with an adapter|null \(the model has no adapter\))/, 'give one with --tower and --adapter.'],
  [/^Expected question features/, 'give what reads questions for the adapter with --questions or --language.'],
  [/^Expected a fused layer below/, 'give a --hidden-layer that the adapter reaches, or leave it out.'],
  [/^Expected at most \d+ characters for the question/, 'ask in fewer words.'],
  [/all visual tokens, for option/, 'give a smaller number, or leave out --visual-tokens.'],
  [
    /^Expected an adapter with a token selector/,
    'leave out --visual-tokens, or take an adapter that was trained for it.',
  ],
  [/^Expected a build with CUDA/, 'use --device cpu; docs/cuda.md says how to build with CUDA.'],
  [/^Expected the native addon/, 'README.md, Install, says how it is built or taken from a package.'],
  [/ for QAVIT_CPU but/, 'unset QAVIT_CPU to take the fastest that this processor has.'],
  [/ for HF_ENDPOINT but/, 'unset HF_ENDPOINT to ask huggingface.co.'],
  [/\(offline as asked for\)/, 'leave out --offline, or HF_HUB_OFFLINE, and it is downloaded.'],
  [/ (for a server|url of a server) /, 'docs/runtimes.md, vLLM, says how a server is named and where its key stands.'],
  [/chat template for option/, 'leave out --system and --before, or take a model that has a chat template.'],
  [/\.onnx for the language model/, 'leave --language-dtype at auto to take what the folder has.'],
  [/^Expected F32, F16 or BF16 for tensor /, 'export it again in one of these types.'],
  [/^Expected a new folder for the converted model/, 'give another with --out.'],
  [/received nothing: it does not exist$/, '`qavit info <folder>` says what a model folder lacks.'],
];

const BY_CODE: Partial<Record<QAViTErrorCode, string>> = {
  ERR_ARGUMENT: 'qavit --help lists the commands, and the --help of each its arguments, options and examples.',
  ERR_DEVICE: 'use --device cpu, or --device auto to take what this machine has.',
  ERR_OUT_OF_MEMORY: 'use --dtype bf16 (half the memory of f32) or a smaller model.',
  ERR_FORMAT: 'the file may be incomplete or of another kind than its name says; fetch or export it again.',
  ERR_DTYPE: 'leave --dtype at auto to take what this device computes in.',
  ERR_NETWORK: 'what was fetched is kept and continued from; check the connection, HF_ENDPOINT, or use --offline.',
  ERR_SHAPE: 'tower, adapter and language model must belong together; `qavit info` shows the sizes of each.',
  ERR_UNSUPPORTED: 'docs/models.md and docs/runtimes.md list what works.',
};

/** What to do about an error that the library found. */
export function hintFor(error: unknown): string {
  if (error instanceof ServerFailure) return 'docs/runtimes.md says which options vLLM needs; its own log says more.';
  if (error instanceof QAViTError) {
    const known = BY_MESSAGE.find(([message]) => message.test(error.message))?.[1] ?? BY_CODE[error.code];
    if (known !== undefined) return known;
  }
  return 'set QAVIT_DEBUG=1 to see where this comes from.';
}
