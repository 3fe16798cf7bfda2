import { expect } from 'chai';

import { normalization, parsePreprocessorConfig } from '../../lib/image';
import { rejection } from './support';

const PATH = '/models/tower/preprocessor_config.json';
const parse = (json: unknown) => parsePreprocessorConfig(json, PATH);

const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711];

describe('preprocessor_config.json', () => {
  it('reads the file of clip-vit-large-patch14-336', () => {
    const config = parse({
      crop_size: { height: 336, width: 336 },
      do_center_crop: true,
      do_convert_rgb: true,
      do_normalize: true,
      do_rescale: true,
      do_resize: true,
      image_mean: CLIP_MEAN,
      image_processor_type: 'CLIPImageProcessor',
      image_std: CLIP_STD,
      resample: 3,
      rescale_factor: 0.00392156862745098,
      size: { shortest_edge: 336 },
    });
    expect(config).to.deep.equal({
      resize: { rule: { kind: 'shortest-edge', shortest: 336 }, filter: 'bicubic' },
      crop: { width: 336, height: 336 },
      rescale: 0.00392156862745098,
      mean: CLIP_MEAN,
      std: CLIP_STD,
    });
  });

  it('reads the older form with bare numbers', () => {
    const config = parse({ feature_extractor_type: 'CLIPFeatureExtractor', size: 300, crop_size: 288, resample: 2 });
    expect(config.resize).to.deep.equal({ rule: { kind: 'shortest-edge', shortest: 300 }, filter: 'bilinear' });
    expect(config.crop).to.deep.equal({ width: 288, height: 288 });
  });

  it("takes CLIP's defaults for what is absent or null", () => {
    const defaults = {
      resize: { rule: { kind: 'shortest-edge', shortest: 224 }, filter: 'bicubic' },
      crop: { width: 224, height: 224 },
      rescale: 1 / 255,
      mean: CLIP_MEAN,
      std: CLIP_STD,
    };
    expect(parse({})).to.deep.equal(defaults);
    expect(parse({ size: null, crop_size: null, resample: null, image_mean: null })).to.deep.equal(defaults);
    expect(parse({ image_processor_type: 'CLIPImageProcessorFast' })).to.deep.equal(defaults);
  });

  const siblings: [string, unknown, string, unknown, number[]][] = [
    ['ViTImageProcessor', { kind: 'exact', width: 224, height: 224 }, 'bilinear', null, [0.5, 0.5, 0.5]],
    ['Gemma3ImageProcessorFast', { kind: 'exact', width: 224, height: 224 }, 'bilinear', null, [0.5, 0.5, 0.5]],
    ['SiglipImageProcessor', { kind: 'exact', width: 224, height: 224 }, 'bicubic', null, [0.5, 0.5, 0.5]],
    [
      'DINOv3ViTImageProcessorFast',
      { kind: 'exact', width: 224, height: 224 },
      'bilinear',
      null,
      [0.485, 0.456, 0.406],
    ],
    ['BlipImageProcessor', { kind: 'exact', width: 384, height: 384 }, 'bicubic', null, CLIP_MEAN],
    ['BitImageProcessor', { kind: 'shortest-edge', shortest: 224 }, 'bicubic', { width: 224, height: 224 }, CLIP_MEAN],
    [
      'DeiTImageProcessor',
      { kind: 'exact', width: 256, height: 256 },
      'bicubic',
      { width: 224, height: 224 },
      [0.5, 0.5, 0.5],
    ],
  ];
  for (const [name, rule, filter, crop, mean] of siblings) {
    it(`knows the defaults of ${name}`, () => {
      const config = parse({ image_processor_type: name });
      expect(config.resize).to.deep.equal({ rule, filter });
      expect(config.crop).to.deep.equal(crop);
      expect(config.mean).to.deep.equal(mean);
    });
  }

  it("takes the model's own processor where the file names none", () => {
    // As the oldest files of ViTs have it.
    const old = {
      do_normalize: true,
      do_resize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      size: 384,
    };
    const vit = parsePreprocessorConfig(old, PATH, 'vit');
    expect(vit).to.deep.equal(parse({ ...old, image_processor_type: 'ViTImageProcessor' }));
    expect(vit.resize).to.deep.equal({ rule: { kind: 'exact', width: 384, height: 384 }, filter: 'bilinear' });
    for (const [modelType, name] of [
      ['siglip_vision_model', 'SiglipImageProcessor'],
      ['dinov2', 'BitImageProcessor'],
      ['dinov3_vit', 'DINOv3ViTImageProcessor'],
      ['instructblip', 'BlipImageProcessor'],
      ['gemma3', 'Gemma3ImageProcessor'],
      ['idefics3', 'Idefics3ImageProcessor'],
      ['smolvlm', 'SmolVLMImageProcessor'],
      ['internvl', 'GotOcr2ImageProcessor'],
      ['llava_onevision', 'LlavaOnevisionImageProcessor'],
      ['llava', 'LlavaImageProcessor'],
      ['clip', 'CLIPImageProcessor'],
      [undefined, 'CLIPImageProcessor'],
    ]) {
      expect(parsePreprocessorConfig({}, PATH, modelType), modelType).to.deep.equal(
        parse({ image_processor_type: name }),
      );
    }
    // What the file names counts.
    const named = { image_processor_type: 'SiglipImageProcessor' };
    expect(parsePreprocessorConfig(named, PATH, 'vit')).to.deep.equal(parse(named));
  });

  it('takes a picture that would be cut into tiles as one', () => {
    const published = { image_processor_type: 'Idefics3ImageProcessor', do_image_splitting: true, do_pad: true };
    const whole = { longestEdgeFirst: 1456, crop: null, mean: [0.5, 0.5, 0.5] };
    expect(parse(published)).to.deep.include(whole);
    expect(parse(published).resize).to.deep.equal({
      rule: { kind: 'exact', width: 364, height: 364 },
      filter: 'lanczos',
    });
    const smolvlm = { ...published, image_processor_type: 'SmolVLMImageProcessorFast' };
    const sizes = { size: { longest_edge: 2048 }, max_image_size: { longest_edge: 512 }, resample: 3 };
    expect(parse({ ...smolvlm, ...sizes }).longestEdgeFirst).to.equal(2048);
    expect(parse({ ...smolvlm, ...sizes }).resize).to.deep.equal({
      rule: { kind: 'exact', width: 512, height: 512 },
      filter: 'bicubic',
    });
  });

  it('takes a picture that would be fitted into tiles as one', () => {
    const published = { do_resize: true, do_center_crop: true, do_pad: true, resample: 3 };
    const next = { ...published, image_processor_type: 'LlavaNextImageProcessor' };
    const sizes = { size: { shortest_edge: 336 }, crop_size: { height: 336, width: 336 } };
    const { resize, crop, tiling } = parse({ ...next, ...sizes });
    expect({ resize, crop }).to.deep.equal({
      resize: { rule: { kind: 'exact', width: 336, height: 336 }, filter: 'bicubic' },
      crop: null,
    });
    expect(tiling).to.deep.include({ by: 'fit', most: 4 });
    expect(tiling?.grids).to.have.length(5).and.deep.include({ rows: 3, columns: 1 });
    const onevision = parse({ image_processor_type: 'LlavaOnevisionImageProcessor', do_pad: true, crop_size: null });
    expect(onevision.resize?.rule).to.deep.equal({ kind: 'exact', width: 384, height: 384 });
    expect(onevision.tiling).to.deep.include({ by: 'fit', most: 36 });
    const uncropped = { ...next, ...sizes, do_center_crop: false };
    expect(parse(uncropped).tiling).to.deep.equal(tiling);
    expect(parse({ ...uncropped, crop_size: null }).tiling).to.deep.equal(tiling);
  });

  it('knows every form of a size', () => {
    const rule = (size: unknown, more: object = {}) => parse({ size, ...more }).resize?.rule;
    expect(rule(30)).to.deep.equal({ kind: 'shortest-edge', shortest: 30 });
    expect(rule(30, { default_to_square: true })).to.deep.equal({ kind: 'exact', width: 30, height: 30 });
    expect(rule(30, { image_processor_type: 'ViTImageProcessor' })).to.deep.equal({
      kind: 'exact',
      width: 30,
      height: 30,
    });
    expect(rule([20, 30])).to.deep.equal({ kind: 'exact', height: 20, width: 30 });
    expect(rule({ height: 20, width: 30 })).to.deep.equal({ kind: 'exact', height: 20, width: 30 });
    expect(rule({ shortest_edge: 20, longest_edge: 30 })).to.deep.equal({
      kind: 'shortest-edge',
      shortest: 20,
      longest: 30,
    });
    expect(rule({ shortest_edge: 20, longest_edge: null })).to.deep.equal({ kind: 'shortest-edge', shortest: 20 });
  });

  it("knows Pillow's numbers for the filters", () => {
    const filters = [0, 1, 2, 3, 4, 5].map((resample) => parse({ resample }).resize?.filter);
    expect(filters).to.deep.equal(['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming']);
  });

  it('leaves out the steps that are switched off', () => {
    // transformers asks of each whether it is true, whatever its class has where a file is silent.
    for (const off of [false, null]) {
      const config = parse({ do_resize: off, do_center_crop: off, do_rescale: off, do_normalize: off });
      expect(config).to.deep.equal({ resize: null, crop: null, rescale: 1, mean: [0, 0, 0], std: [1, 1, 1] });
    }
  });

  it('hands out the normalisation', () => {
    expect(normalization(parse({ image_mean: 0.5, image_std: [1, 2, 3], rescale_factor: 0.25 }))).to.deep.equal({
      mean: [0.5, 0.5, 0.5],
      std: [1, 2, 3],
      rescale: 0.25,
    });
  });

  describe('what it refuses', () => {
    for (const json of [null, undefined, 3, 'CLIP', [], true]) {
      it(`a file that holds ${JSON.stringify(json)}`, async () => {
        expect((await rejection('ERR_FORMAT', () => parse(json))).message).to.include(PATH);
      });
    }

    const wrong: [string, unknown][] = [
      ['do_resize', 1],
      ['do_center_crop', 'yes'],
      ['do_rescale', 0],
      ['do_normalize', []],
      ['do_convert_rgb', 'true'],
      ['size', 0],
      ['size', -3],
      ['size', 22.5],
      ['size', 1e9],
      ['size', '224'],
      ['size', [224]],
      ['size', { shortest_edge: '224' }],
      ['size', { height: 224, width: 0 }],
      ['crop_size', { shortest_edge: 224 }],
      ['resample', 6],
      ['resample', -1],
      ['resample', 1.5],
      ['resample', 'bicubic'],
      ['rescale_factor', 0],
      ['rescale_factor', '1/255'],
      ['image_mean', [0.5, 0.5]],
      ['image_mean', [0.5, 0.5, '0.5']],
      ['image_std', [0.5, 0, 0.5]],
      ['image_processor_type', 5],
    ];
    for (const [key, value] of wrong) {
      it(`${key}: ${JSON.stringify(value)}`, async () => {
        const { message } = await rejection('ERR_FORMAT', () => parse({ [key]: value }));
        expect(message).to.include(key).and.include(PATH);
      });
    }

    for (const [key, value, code] of [
      ['size', 30, 'ERR_FORMAT'],
      ['size', { longest_edge: 4097 }, 'ERR_FORMAT'],
      ['size', { shortest_edge: 30 }, 'ERR_UNSUPPORTED'],
      ['size', { longest_edge: 30, height: 20 }, 'ERR_UNSUPPORTED'],
      ['max_image_size', { longest_edge: 0 }, 'ERR_FORMAT'],
      ['max_image_size', {}, 'ERR_UNSUPPORTED'],
    ] as const) {
      it(`${key}: ${JSON.stringify(value)} of a processor that makes tiles`, async () => {
        const json = { image_processor_type: 'Idefics3ImageProcessor', [key]: value };
        const { message } = await rejection(code, () => parse(json));
        expect(message).to.include(key).and.include(PATH);
      });
    }

    for (const [fields, code] of [
      [{ size: { height: 336, width: 300 } }, 'ERR_UNSUPPORTED'],
      [{ size: { shortest_edge: 336, longest_edge: 500 } }, 'ERR_UNSUPPORTED'],
      [{ size: 300, crop_size: 336 }, 'ERR_UNSUPPORTED'],
      [{ crop_size: 168, do_center_crop: false }, 'ERR_UNSUPPORTED'],
      [{ crop_size: { height: 336, width: 168 }, do_center_crop: null }, 'ERR_UNSUPPORTED'],
      [{ crop_size: 'none', do_center_crop: false }, 'ERR_FORMAT'],
      [{ do_center_crop: 'no' }, 'ERR_FORMAT'],
      [{ image_grid_pinpoints: [] }, 'ERR_FORMAT'],
      [{ image_grid_pinpoints: [[672, 336], 672] }, 'ERR_UNSUPPORTED'],
      [{ image_grid_pinpoints: [[672, 336, 3]] }, 'ERR_UNSUPPORTED'],
      [{ image_grid_pinpoints: [['672', 336]] }, 'ERR_UNSUPPORTED'],
      [{ image_grid_pinpoints: [[672, 337]] }, 'ERR_UNSUPPORTED'],
      [{ image_grid_pinpoints: [[0, 336]] }, 'ERR_UNSUPPORTED'],
      [{ image_grid_pinpoints: [[336e9, 336]] }, 'ERR_UNSUPPORTED'],
    ] as const) {
      it(`${JSON.stringify(fields)} of a processor that fits pictures into tiles`, async () => {
        const usual = { size: { shortest_edge: 336 }, crop_size: 336 };
        const json = { image_processor_type: 'LlavaNextImageProcessor', ...usual, ...fields };
        const { message } = await rejection(code, () => parse(json));
        expect(message).to.include(Object.keys(fields)[0]).and.include(PATH);
      });
    }

    for (const [fields, code, message] of [
      [{ do_resize: false }, 'ERR_UNSUPPORTED', 'do_resize'],
      [{ min_pixels: 0 }, 'ERR_FORMAT', 'an integer from 1 to 2147483648 for min_pixels'],
      [{ max_pixels: '3136' }, 'ERR_FORMAT', 'for max_pixels'],
      [{ max_pixels: 2 ** 31 + 1 }, 'ERR_FORMAT', 'for max_pixels'],
      [{ size: { shortest_edge: 3136 } }, 'ERR_FORMAT', 'for size.longest_edge'],
      [{ size: { longest_edge: 3136, shortest_edge: 1.5 } }, 'ERR_FORMAT', 'for size.shortest_edge'],
      [{ size: 3136 }, 'ERR_FORMAT', 'for size'],
      [{ min_pixels: 784, max_pixels: 783 }, 'ERR_FORMAT', 'at least 784 for max_pixels'],
      [{ min_pixels: 5, max_pixels: 783 }, 'ERR_FORMAT', 'at least 784 for max_pixels'],
      [{ patch_size: 0 }, 'ERR_FORMAT', 'for patch_size'],
      [{ merge_size: 2.5 }, 'ERR_FORMAT', 'for merge_size'],
    ] as const) {
      it(`${JSON.stringify(fields)} of Qwen2-VL's processor`, async () => {
        const found = await rejection(code, () => parse({ image_processor_type: 'Qwen2VLImageProcessor', ...fields }));
        expect(found.message).to.include(message).and.include(PATH);
      });
    }

    const unsupported: [string, unknown][] = [
      ['image_processor_type', 'Pix2StructImageProcessor'],
      ['image_processor_type', 'constructor'],
      ['size', { longest_edge: 224 }],
      ['size', { max_height: 224, max_width: 224 }],
      ['size', { height: 224, width: 224, shortest_edge: 224 }],
      ['size', {}],
      ['do_pad', true],
      ['use_square_size', true],
    ];
    for (const [key, value] of unsupported) {
      it(`${key}: ${JSON.stringify(value)}, which no supported processor does`, async () => {
        const { message } = await rejection('ERR_UNSUPPORTED', () => parse({ [key]: value }));
        expect(message).to.include(key).and.include(PATH);
      });
    }

    it('squares of two sizes, saying which', async () => {
      const json = { image_processor_type: 'LlavaNextImageProcessor', size: 300, crop_size: 336 };
      const { message } = await rejection('ERR_UNSUPPORTED', () => parse(json));
      expect(message).to.match(/squares of one size for size of .* and crop_size .*"shortest":300.*"width":336/);
    });

    it('a center crop without a size where the processor has none', async () => {
      await rejection('ERR_FORMAT', () => parse({ image_processor_type: 'ViTImageProcessor', do_center_crop: true }));
    });
  });
});
