import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hasNode } from '../../lib/llm/onnx/graph-nodes';
import { temporaryFolder } from '../support/temporary';
import { llavaFolder, twoWayFolder } from '../support/vision-language';

const graph = (folder: string, name: string): string => path.join(folder, 'onnx', `${name}.onnx`);

describe('nodes of ONNX files', () => {
  const at = temporaryFolder();
  const written = (bytes: Uint8Array): string => {
    writeFileSync(at('file.onnx'), bytes);
    return at('file.onnx');
  };

  it('are found by their kind', async () => {
    const scaled = graph(twoWayFolder('paligemma'), 'embed_tokens');
    expect(await hasNode(scaled, 'Gather')).to.equal(true);
    expect(await hasNode(scaled, 'Mul')).to.equal(true);
    const plain = graph(llavaFolder('clip-llama'), 'embed_tokens');
    expect(await hasNode(plain, 'Gather')).to.equal(true);
    expect(await hasNode(plain, 'Mul')).to.equal(false);
    const decoder = graph(twoWayFolder('gemma3'), 'decoder_model_merged');
    expect(await hasNode(decoder, 'Softmax')).to.equal(true);
    expect(await hasNode(decoder, 'Soft')).to.equal(false);
  });

  it('are looked for in whatever a file holds, to an end', async () => {
    const whole = readFileSync(graph(twoWayFolder('paligemma'), 'embed_tokens'));
    for (let length = 0; length < whole.length; length += 97) {
      expect(await hasNode(written(whole.subarray(0, length)), 'Nothing'), `${length} bytes`).to.equal(false);
    }
    for (const bytes of [[0xff], Array<number>(40).fill(0xff), [7], [0x3b, 1], [0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f]]) {
      expect(await hasNode(written(Uint8Array.from(bytes)), 'Mul')).to.equal(false);
    }
    // More fields than any graph that is asked about has: [3, 0] is one of no length.
    const many = Buffer.alloc(200_000, Buffer.from([0x1a, 0]));
    expect(await hasNode(written(many), 'Mul')).to.equal(false);
  });
});
