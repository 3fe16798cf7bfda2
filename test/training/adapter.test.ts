import { requirePython, runTraining } from '../support/python';

describe('training', () => {
  it('has a reference that computes what transformers does, and the formulas of the paper', async function () {
    requirePython(this, 'torch', 'transformers', 'safetensors');
    this.timeout(300_000);
    await runTraining('qavit_torch.check');
  });

  it('trains an adapter on every kind of tower, from the layouts that published models have', async function () {
    requirePython(this, 'torch', 'transformers', 'tokenizers', 'PIL');
    this.timeout(900_000);
    await runTraining('adapter.check');
  });

  it('refuses what could not train, and leaves alone what is frozen', async function () {
    requirePython(this, 'torch', 'transformers', 'tokenizers', 'PIL');
    this.timeout(300_000);
    await runTraining('adapter.check_options');
  });

  it('computes the same gradients with less memory, and goes on where a run has ended', async function () {
    requirePython(this, 'torch', 'transformers', 'tokenizers', 'PIL');
    this.timeout(300_000);
    await runTraining('adapter.check_steps');
  });

  it('names the line of data, and the picture, that it cannot take', async function () {
    requirePython(this, 'torch', 'transformers', 'PIL');
    await runTraining('adapter.check_data');
  });

  it('takes T5 and mT5 alone as language models, and exports what transformers computes', async function () {
    requirePython(this, 'torch', 'transformers', 'tokenizers', 'onnx', 'onnxruntime', 'onnxscript');
    this.timeout(300_000);
    await runTraining('adapter.check_language');
  });
});
