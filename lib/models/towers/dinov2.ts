import type { TowerFamily } from './architecture';
import { TowerFields } from './tower-fields';
import { VIT_ATTENTION, VIT_EMBEDDINGS } from './vit';

/** Dinov2Config's own. */
const DEFAULTS = {
  hidden_size: 768,
  mlp_ratio: 4,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  image_size: 224,
  patch_size: 14,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-6,
  qkv_bias: true,
  use_swiglu_ffn: false,
};

/**
 * Oquab et al. 2023, arXiv 2304.07193: trained on 518 pixels, and by its preprocessor_config.json fed with 224. The giant has a SwiGLU MLP,
 * whatever its hidden_act says.
 */
export const DINOV2: TowerFamily = {
  modelType: 'dinov2',
  wholes: [],
  describe(config, path) {
    const fields = new TowerFields(config, path, DEFAULTS);
    const plainWidth = Math.trunc(fields.integer('hidden_size') * fields.number('mlp_ratio'));
    const swiglu = fields.flag('use_swiglu_ffn');
    return {
      family: 'DINOv2',
      ...fields.shape(swiglu ? gatedWidth(plainWidth) : plainWidth),
      ...(swiglu && { gatedMlp: true, activation: 'silu' as const }),
      qkvBias: fields.flag('qkv_bias'),
      registers: 0,
      interpolation: 'bicubic',
      anySize: true,
      names: {
        ...VIT_EMBEDDINGS,
        layer: {
          ...VIT_ATTENTION,
          norm1: 'norm1',
          outputScale: 'layer_scale1.lambda1',
          norm2: 'norm2',
          fc1: swiglu ? 'mlp.weights_in' : 'mlp.fc1',
          fc2: swiglu ? 'mlp.weights_out' : 'mlp.fc2',
          fc2Scale: 'layer_scale2.lambda1',
        },
        notNeeded: /^(layernorm\.|embeddings\.mask_token$)/,
      },
    };
  },
};

/** Two thirds of the width, so that three matrices weigh what two did, up to the next multiple of 8. */
function gatedWidth(plainWidth: number): number {
  return Math.ceil(Math.trunc((plainWidth * 2) / 3) / 8) * 8;
}

/** Darcet et al. 2023, arXiv 2309.16588. */
export const DINOV2_WITH_REGISTERS: TowerFamily = {
  modelType: 'dinov2_with_registers',
  wholes: [],
  describe(config, path) {
    const plain = DINOV2.describe(config, path);
    return {
      ...plain,
      family: 'DINOv2 with registers',
      registers: new TowerFields(config, path, { num_register_tokens: 4 }).integer('num_register_tokens'),
      interpolation: 'bicubic-antialiased',
      names: { ...plain.names, registers: 'embeddings.register_tokens' },
    };
  },
};
