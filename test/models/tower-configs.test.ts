import { expect } from 'chai';
import { describeTower, isTowerConfig, TOWER_MODEL_TYPES } from '../../lib/models/towers';
import { expectThrow } from '../support/expect-error';

const describeJson = (json: Record<string, unknown>) => describeTower(json, 'config.json');

describe('config.json of towers', () => {
  it("takes the defaults of each family's class", () => {
    const base = { width: 768, mlpWidth: 3072, layers: 12, heads: 12, image: 224 };
    const wanted: Record<string, object> = {
      clip_vision_model: { ...base, patch: 32, activation: 'quick_gelu', eps: 1e-5 },
      siglip_vision_model: { ...base, patch: 16, activation: 'gelu_tanh', eps: 1e-6 },
      vit: { ...base, patch: 16, activation: 'gelu_erf', eps: 1e-12, qkvBias: true },
      dinov2: { ...base, patch: 14, activation: 'gelu_erf', eps: 1e-6, registers: 0, anySize: true },
      dinov2_with_registers: { ...base, patch: 14, registers: 4, interpolation: 'bicubic-antialiased' },
      dinov3_vit: { width: 384, mlpWidth: 1536, layers: 12, heads: 6, image: 224, patch: 16, eps: 1e-5, registers: 0 },
      blip_2_vision_model: {
        width: 1408,
        mlpWidth: 6144,
        layers: 39,
        heads: 16,
        patch: 14,
        activation: 'gelu_erf',
        eps: 1e-6,
      },
      idefics3_vision: { width: 1152, mlpWidth: 3072, layers: 12, heads: 16, image: 224, patch: 32, eps: 1e-6 },
      smolvlm_vision: { width: 1152, patch: 32, activation: 'gelu_tanh', interpolation: 'nearest', anySize: true },
      qwen3_vl_vision: { width: 1152, mlpWidth: 4304, layers: 27, heads: 16, patch: 16, image: 768, squares: 2 },
      qwen3_5_moe_vision: { interpolation: 'bilinear-aligned', activation: 'gelu_tanh', eps: 1e-6, anySize: true },
      qwen2_vl_vision: { width: 1280, mlpWidth: 5120, layers: 32, heads: 16, patch: 14, eps: 1e-6, squares: 2 },
      internvl_vision: { width: 1024, mlpWidth: 4096, layers: 24, heads: 16, image: 448, patch: 14, qkvBias: false },
    };
    for (const [model_type, fields] of Object.entries(wanted)) {
      expect(describeJson({ model_type }), model_type).to.deep.include(fields);
    }
    for (const [model_type, half] of [
      ['clip', 'clip_vision_model'],
      ['siglip', 'siglip_vision_model'],
      ['blip-2', 'blip_2_vision_model'],
      ['instructblip', 'blip_2_vision_model'],
      ['instructblip_vision_model', 'blip_2_vision_model'],
    ] as const) {
      expect(describeJson({ model_type })).to.deep.equal(describeJson({ model_type: half }));
    }
  });

  it('reads the vision half of a whole model, and of two copies the one that counts', () => {
    const vision = { hidden_size: 88, num_attention_heads: 1, hidden_act: 'gelu_pytorch_tanh', layer_norm_eps: 1e-6 };
    const whole = { model_type: 'clip', hidden_size: 5, vision_config: vision, text_config: {} };
    expect(describeJson(whole)).to.include({ width: 88, heads: 1, activation: 'gelu_tanh', eps: 1e-6 });
    const twice = { ...whole, vision_config_dict: { hidden_size: 64, num_attention_heads: 2 } };
    expect(describeJson(twice)).to.include({ width: 64, heads: 2, activation: 'quick_gelu' });
    expect(describeJson({ ...whole, vision_config_dict: null })).to.include({ width: 88 });
  });

  it("computes the width of DINOv2's MLP", () => {
    expect(describeJson({ model_type: 'dinov2', hidden_size: 24, mlp_ratio: 2.5 })).to.include({ mlpWidth: 60 });
    const giant = { model_type: 'dinov2', hidden_size: 1536, num_attention_heads: 24, use_swiglu_ffn: true };
    expect(describeJson(giant)).to.include({ mlpWidth: 4096, gatedMlp: true, activation: 'silu' });
    expect(describeJson({ ...giant, mlp_ratio: 2.5 })).to.include({ mlpWidth: 2560 });
    expect(describeJson({ ...giant, hidden_size: 24, mlp_ratio: 2.5 })).to.include({ mlpWidth: 40 });
  });

  it('reads the parts that DINOv3 may have', () => {
    const model_type = 'dinov3_vit';
    const small = describeJson({ model_type, num_register_tokens: 4 });
    expect(small).to.deep.include({ registers: 4, gatedMlp: false, qkvBias: [true, false, true] });
    expect(small.rotary).to.deep.equal({ base: 100, places: 'relative' });
    expect(small.names).to.include({ registers: 'embeddings.register_tokens' });
    expect(small.names).to.not.have.property('positions');
    expect(describeJson({ model_type }).names).to.not.have.property('registers');
    const largest = { model_type, use_gated_mlp: true, hidden_act: 'silu', query_bias: false, value_bias: false };
    expect(describeJson(largest)).to.deep.include({
      gatedMlp: true,
      activation: 'silu',
      qkvBias: [false, false, false],
    });
    expectThrow(() => describeJson({ model_type, num_attention_heads: 64 }), 'ERR_FORMAT', /heads of a multiple of 4/);
    expectThrow(() => describeJson({ model_type, rope_theta: 0 }), 'ERR_FORMAT', /a positive number for rope_theta/);
    for (const num_register_tokens of [-1, 0.5, 1e9]) {
      expectThrow(() => describeJson({ model_type, num_register_tokens }), 'ERR_FORMAT', /from 0 to 1024 for num_regi/);
    }
  });

  it("reads the size of SigLIP 2's table from its patches", () => {
    const model_type = 'siglip2_vision_model';
    expect(describeJson({ model_type })).to.deep.include({ family: 'SigLIP 2', image: 256, patch: 16, anySize: true });
    expect(describeJson({ model_type, num_patches: 64, patch_size: 14 })).to.include({ image: 112, patch: 14 });
    // As transformers writes it, there is no image_size; one that somebody wrote would say nothing.
    expect(describeJson({ model_type, image_size: 224 })).to.include({ image: 256 });
    for (const num_patches of [0, 2, 1.5, '256']) {
      expectThrow(() => describeJson({ model_type, num_patches }), 'ERR_FORMAT', /num_patches of config\.json/);
    }
  });

  it("knows transformers' names of activations", () => {
    const named = {
      quick_gelu: ['quick_gelu'],
      gelu_erf: ['gelu', 'gelu_python'],
      gelu_tanh: ['gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'],
      relu: ['relu'],
      silu: ['silu', 'swish'],
      tanh: ['tanh'],
    };
    for (const [activation, names] of Object.entries(named)) {
      for (const hidden_act of names)
        expect(describeJson({ model_type: 'vit', hidden_act })).to.include({ activation });
    }
  });

  it('reads squares in both spellings', () => {
    expect(describeJson({ model_type: 'vit', image_size: [384, 384] })).to.include({ image: 384 });
    expectThrow(() => describeJson({ model_type: 'vit', image_size: [384, 224] }), 'ERR_UNSUPPORTED', /a square/);
    expectThrow(() => describeJson({ model_type: 'vit', image_size: [384, '384'] }), 'ERR_FORMAT', /image_size/);
    expectThrow(() => describeJson({ model_type: 'vit', image_size: [] }), 'ERR_UNSUPPORTED', /a square/);
  });

  it('refuses other architectures, and variants that cannot be built', () => {
    const refuse = (json: Record<string, unknown>, message: RegExp) =>
      expectThrow(() => describeJson(json), 'ERR_UNSUPPORTED', message);
    refuse({ model_type: 'bert' }, /one of clip, clip_vision_model, siglip, .* for model_type of config\.json.*"bert"/);
    refuse({}, /model_type of config\.json but received undefined/);
    const model_type = 'internvl_vision';
    refuse({ model_type, norm_type: 'rms_norm' }, /layer_norm for norm_type of config\.json .* "rms_norm"/);
    refuse({ model_type, use_qk_norm: true }, /false for use_qk_norm/);
    refuse({ model_type, use_absolute_position_embeddings: false }, /true for use_absolute_position_embeddings/);
    refuse({ model_type: 'dinov3_vit', proj_bias: false }, /true for proj_bias of config\.json but received false/);
    refuse({ model_type: 'dinov3_vit', mlp_bias: false }, /true for mlp_bias/);
    refuse(
      { model_type: 'gemma' },
      /siglip_vision_model, .* smolvlm_vision, qwen2_vl_vision, .* qwen3_5_moe_vision for model_type/,
    );
    for (const model_type of ['paligemma', 'gemma3']) expect(isTowerConfig({ model_type })).to.equal(false);
    expect(TOWER_MODEL_TYPES.every((model_type) => isTowerConfig({ model_type }))).to.equal(true);
  });

  describe("of Qwen2-VL's", () => {
    const model_type = 'qwen2_vl_vision';

    it('says what its kernels span, and how far apart angles are', () => {
      const usual = describeJson({ model_type });
      expect(usual.names.kernelsOver).to.deep.equal({ frames: 2 });
      expect(usual.rotary).to.deep.equal({ base: 10000, places: 'counted' });
      const rope_parameters = { rope_type: 'axial', rope_theta: 500 };
      const other = { model_type, mlp_ratio: 2.5, temporal_patch_size: 3, spatial_merge_size: 4, rope_parameters };
      expect(describeJson({ ...other, hidden_size: 5 })).to.deep.include({
        width: 1280,
        mlpWidth: 3200,
        squares: 4,
        rotary: { base: 500, places: 'counted' },
      });
    });

    it('refuses other angles', () => {
      const refuse = (rope_parameters: object, code: 'ERR_UNSUPPORTED' | 'ERR_FORMAT', message: RegExp) =>
        expectThrow(() => describeJson({ model_type, rope_parameters }), code, message);
      refuse({ rope_type: 'default' }, 'ERR_UNSUPPORTED', /"axial" for rope_type in rope_parameters of config\.json/);
      refuse({ rope_theta: 0 }, 'ERR_FORMAT', /a positive number for rope_theta in rope_parameters/);
      const odd = { model_type, embed_dim: 1264, num_heads: 8 };
      expectThrow(() => describeJson(odd), 'ERR_FORMAT', /heads of a multiple of 4 for embed_dim .* num_heads 8/);
    });
  });

  /** What its files call some fields. */
  const SPELLED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    qwen2_vl_vision: { hidden_size: 'embed_dim', num_attention_heads: 'num_heads', num_channels: 'in_channels' },
    ...Object.fromEntries(
      TOWER_MODEL_TYPES.filter((type) => type.startsWith('qwen3')).map((type) => [
        type,
        { num_attention_heads: 'num_heads', num_channels: 'in_channels' },
      ]),
    ),
  };

  for (const model_type of TOWER_MODEL_TYPES) {
    it(`refuses values that make no sense for ${model_type}`, () => {
      const spelled = (name: string): string => SPELLED[model_type]?.[name] ?? name;
      const whole = ['clip', 'siglip', 'siglip2', 'blip-2', 'instructblip'].includes(model_type);
      const parse = (fields: Record<string, unknown>) =>
        describeJson(whole ? { model_type, vision_config: fields } : { model_type, ...fields });
      const [width, heads, channels] = ['hidden_size', 'num_attention_heads', 'num_channels'].map(spelled) as [
        string,
        string,
        string,
      ];
      for (const value of [0, -1, 1.5, '768', 2 ** 60]) {
        const message = new RegExp(`${width} of config\\.json`);
        expectThrow(() => parse({ [width]: value }), 'ERR_FORMAT', message);
      }
      expectThrow(() => parse({ [heads]: 7 }), 'ERR_FORMAT', new RegExp(`a multiple of ${heads} for ${width}`));
      if (model_type.startsWith('siglip2'))
        expectThrow(() => parse({ num_patches: 250 }), 'ERR_FORMAT', /a square for num_/);
      else if (model_type.startsWith('qwen3'))
        expectThrow(
          () => parse({ num_position_embeddings: 250 }),
          'ERR_FORMAT',
          /a square for num_position_embeddings/,
        );
      else if (model_type !== 'qwen2_vl_vision')
        expectThrow(() => parse({ patch_size: 449 }), 'ERR_FORMAT', /at most image_size (224|448) /);
      if (!model_type.startsWith('qwen'))
        expectThrow(() => parse({ layer_norm_eps: 0 }), 'ERR_FORMAT', /layer_norm_eps/);
      expectThrow(() => parse({ [channels]: 4 }), 'ERR_UNSUPPORTED', new RegExp(`3 for ${channels}`));
      for (const hidden_act of ['mish', 'constructor', 5]) {
        expectThrow(() => parse({ hidden_act }), 'ERR_UNSUPPORTED', /hidden_act of config\.json/);
      }
      if (whole) expectThrow(() => describeJson({ model_type, vision_config: 5 }), 'ERR_FORMAT', /vision_config/);
    });
  }

  it('refuses flags and ratios that are none', () => {
    for (const model_type of ['vit', 'dinov2', 'blip_2_vision_model']) {
      expectThrow(() => describeJson({ model_type, qkv_bias: 1 }), 'ERR_FORMAT', /true or false for qkv_bias/);
    }
    expectThrow(() => describeJson({ model_type: 'dinov2', mlp_ratio: -4 }), 'ERR_FORMAT', /mlp_ratio/);
    expectThrow(() => describeJson({ model_type: 'dinov2', use_swiglu_ffn: 'no' }), 'ERR_FORMAT', /use_swiglu_ffn/);
    const registers = { model_type: 'dinov2_with_registers', num_register_tokens: 0.5 };
    expectThrow(() => describeJson(registers), 'ERR_FORMAT', /num_register_tokens/);
  });
});
