import { type Command, Option } from 'commander';
import { parseHubName } from '../../hub/name';
import type { HubOptions, Role } from '../../hub';
import { CliError, EXIT } from '../errors';
import { paragraph } from '../help-text';
import { showDownloads } from '../open-model';
import { languageDTypeOption } from '../options';
import { print, printJson } from '../output';
import { Status } from '../status';

const ABOUT =
  'Fetches the newest commit of the branch, and of it what qavit reads; what is in the cache already stays. HF_ENDPOINT, ' +
  'HF_TOKEN (or "hf auth login") and HF_HUB_CACHE say from where, as whom and where to, as for Python\'s huggingface_hub, ' +
  'which reads the same cache.';
const EXAMPLES = `
Examples:
  $ qavit fetch openai/clip-vit-large-patch14-336
  $ qavit fetch google/flan-t5-base facebook/dinov2-base@main
  $ qavit encode street.jpg --tower openai/clip-vit-large-patch14-336 --offline --out tokens.npy`;

interface FetchOptions {
  as?: Role;
  languageDtype?: string;
  json?: boolean;
  quiet?: boolean;
}

async function fetchAll(names: readonly string[], options: FetchOptions, signal: AbortSignal): Promise<void> {
  using status = new Status(options);
  const parsed = names.map((given) => {
    const name = parseHubName(given);
    if (name) return name;
    throw new CliError(
      `Expected org/name or org/name@revision but received ${JSON.stringify(given)}`,
      'folders that are here need not be fetched.',
      EXIT.usage,
    );
  });
  const { fetchModel } = await import('../../hub/index.js');
  for (const name of parsed) {
    status.show(`asking for ${name.given}`);
    const languageDType = options.languageDtype as HubOptions['languageDType'];
    const folder = await fetchModel(name, options.as, { languageDType, signal, onProgress: showDownloads(status) });
    status.clear();
    if (options.json) await printJson({ name: name.given, folder }, signal);
    else await print(`${folder}\n`, signal);
  }
}

export function addFetch(program: Command, signal: AbortSignal): Command {
  return program
    .command('fetch')
    .summary('download models into the Hugging Face cache')
    .description('Downloads what qavit needs of models at a hub, and prints the folders.')
    .argument('<names...>', 'org/name or org/name@revision')
    .addOption(
      new Option('--as <part>', 'what it is wanted for (default: what its config.json says)').choices([
        'model',
        'tower',
        'adapter',
        'language',
      ]),
    )
    .addOption(languageDTypeOption())
    .option('--json', 'print one JSON object a model')
    .option('-q, --quiet', 'no progress on the terminal')
    .addHelpText('after', paragraph(ABOUT))
    .addHelpText('after', EXAMPLES)
    .action((names: string[], options: FetchOptions) => fetchAll(names, options, signal));
}
