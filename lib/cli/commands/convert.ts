import type { Command } from 'commander';
import { existingFile, existingFolder } from '../files';
import { paragraph } from '../help-text';
import { numberIn } from '../options';
import { print, printJson, printable, table } from '../output';
import { Status } from '../status';

const ABOUT =
  "The checkpoint is read as data: nothing that it names is imported or called. Its weights include the tower's and the " +
  "language model's; of their folders only the configurations, the preprocessing and the tokenizer are taken.";
const EXAMPLES = `
Examples:
  $ qavit convert --checkpoint qavit-base2.pth --tower clip-vit-large-patch14-336 --language flan-t5-base --out qavit-base
  $ qavit ask --model qavit-base street.jpg "What is written on the blue sign?"`;

interface ConvertOptions {
  checkpoint: string;
  tower: string;
  language: string;
  out: string;
  loraAlpha: number;
  json?: boolean;
  quiet?: boolean;
}

async function convert(options: ConvertOptions, signal: AbortSignal): Promise<void> {
  using status = new Status(options);
  const { checkpoint, tower, language, out, loraAlpha: alpha } = options;
  await existingFile('a checkpoint for --checkpoint', checkpoint);
  await existingFolder('a folder for --tower', tower);
  await existingFolder('a folder for --language', language);
  status.show(`converting ${checkpoint}`);
  const { convertCheckpoint } = await import('../../convert/convert.js');
  const converted = await convertCheckpoint({ checkpoint, tower, language, out, alpha, signal });
  status.clear();
  if (options.json) return printJson({ out, ...converted }, signal);
  const { fusedLayers, merged, ignored, skipped } = converted;
  const rows: [string, string][] = [
    ['written to', out],
    ['fused layers', fusedLayers.join(', ')],
    ['LoRA merged into', `${merged} modules`],
    ['keys nobody reads', String(ignored.length)],
    ['Python objects, not executed', skipped.length === 0 ? 'none' : printable(skipped.join(', '))],
  ];
  return print(table(rows), signal);
}

export function addConvert(program: Command, signal: AbortSignal): Command {
  return program
    .command('convert')
    .summary('turn a published QA-ViT checkpoint into a model folder')
    .description('Converts a checkpoint of the published QA-ViT (ViT+T5, .pth) into a folder that --model takes.')
    .requiredOption('--checkpoint <file>', 'the .pth file')
    .requiredOption('--tower <folder>', 'the CLIP tower it was trained on, a Hugging Face folder')
    .requiredOption('--language <folder>', 'its T5, a Hugging Face folder')
    .requiredOption('-o, --out <folder>', 'where to write the model: a folder that does not exist, or is empty')
    .option('--lora-alpha <n>', 'what its LoRA was trained with', numberIn(1e-6, 1e6), 32)
    .option('--json', 'print one JSON object')
    .option('-q, --quiet', 'no progress on the terminal')
    .addHelpText('after', paragraph(ABOUT))
    .addHelpText('after', EXAMPLES)
    .action((options: ConvertOptions) => convert(options, signal));
}
