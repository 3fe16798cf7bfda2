// Imports every entry of the installed package by name, as ES modules do, and prints what each exports.
import { QAViT, QAViTError } from 'qavit';
import { concatAttention, gatedProjection, layerNorm, linear, ops, patchEmbed } from 'qavit/ops';
import { Batcher, createServer } from 'qavit/serve';
import { visualInputs } from 'qavit/transformers';
import { cacheKey, imageEmbeds, imageGridEmbeds, openVllm, promptEmbeds, torchTensor } from 'qavit/vllm';

console.log(
  JSON.stringify({
    qavit: Object.keys({ QAViT, QAViTError }),
    'qavit/ops': Object.keys({ concatAttention, gatedProjection, layerNorm, linear, ops, patchEmbed }),
    'qavit/serve': Object.keys({ Batcher, createServer }),
    'qavit/transformers': Object.keys({ visualInputs }),
    'qavit/vllm': Object.keys({ cacheKey, imageEmbeds, imageGridEmbeds, openVllm, promptEmbeds, torchTensor }),
  }),
);
