import type { Command } from 'commander';
import type { FastifyInstance } from 'fastify';
import type { ServerOptions } from '../../serve';
import { CliError } from '../errors';
import { paragraph } from '../help-text';
import type { Interruption } from '../interruption';
import { print, printJson } from '../output';
import { readApiKeys } from '../serve/api-keys';
import { applyConfigFile } from '../serve/config-file';
import { OpenModels } from '../serve/models';
import { addServeOptions, type ServeOptions } from '../serve/options';
import { Status } from '../status';

const MIB = 2 ** 20;
/** What closing takes beside the requests that are waited for. */
const CLOSING_MS = 5000;

const ABOUT =
  'Each option has a variable (--max-batch: QAVIT_MAX_BATCH) and a key in the file of --config (maxBatch). The command ' +
  'line counts most, then the environment, then the file.';
const READY =
  'When it takes requests it prints one line with its address. SIGTERM and Ctrl-C let running requests finish.';
const EXAMPLES = `
Examples:
  $ qavit serve
  $ qavit serve --model my-model --device cuda --host 0.0.0.0 --api-key-file keys.txt
  $ qavit serve --config serve.json --devices cuda:0,cuda:1
  $ curl -s localhost:8000/v1/models`;

function serverOptions(options: ServeOptions, apiKeys: string[]): ServerOptions {
  const mib = (value: number): number => Math.ceil(value * MIB);
  return {
    apiKeys,
    corsOrigins: options.cors ?? [],
    remoteImages: options.remoteImages === 'yes',
    trustProxy: options.trustProxy === 'yes',
    page: options.page === 'yes',
    ...(options.rateLimit > 0 && { rateLimit: { max: options.rateLimit, windowMs: 60_000 } }),
    limits: {
      bodyBytes: mib(options.maxBody),
      imageBytes: mib(options.maxImage),
      pixels: options.maxPixels,
      questionCharacters: options.maxQuestion,
      newTokens: options.maxNewTokens,
    },
    batching: {
      maxBatch: options.maxBatch,
      delayMs: options.batchDelay,
      maxPending: options.maxPending,
      maxAnswers: options.maxAnswers,
      imageCacheBytes: mib(options.imageCache),
      questionCacheBytes: mib(options.questionCache),
    },
    timeouts: { drainMs: Math.ceil(options.drain * 1000) },
    logger: { level: options.logLevel as 'info', stream: process.stderr },
  };
}

async function listen(app: FastifyInstance, { host, port }: ServeOptions): Promise<string> {
  try {
    return await app.listen({ host, port, listenTextResolver: (address) => `listening on ${address}` });
  } catch (error) {
    await app.close();
    const { code } = error as NodeJS.ErrnoException;
    const why = {
      EADDRINUSE: 'another program listens there',
      EACCES: 'no permission',
      EADDRNOTAVAIL: 'no such address',
    };
    const reason = (why as Record<string, string>)[code ?? ''] ?? String(error);
    throw new CliError(
      `Expected a free address but received ${host} port ${port}: ${reason}`,
      'choose another with --host and --port.',
    );
  }
}

async function serve(options: ServeOptions, command: Command, interruption: Interruption): Promise<void> {
  const { signal } = interruption;
  using status = new Status(options);
  const configured = options.config === undefined ? {} : await applyConfigFile(command, options.config);
  // With what the file has added.
  const all = command.opts<ServeOptions>();
  const apiKeys = await readApiKeys(all.apiKeyFile);
  interruption.isNormal(all.drain * 1000 + CLOSING_MS);
  await using models = await OpenModels.open(all, configured, status, signal);
  const { createServer } = await import('../../serve/index.js');
  const app = await createServer(models.byName, serverOptions(all, apiKeys));
  const interrupted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const url = await listen(app, all);
  const names = Object.keys(models.byName);
  await (all.json ? printJson({ url, models: names }) : print(`qavit serves ${names.join(', ')} at ${url}\n`));
  if (apiKeys.length === 0 && !isLoopback(all.host)) {
    process.stderr.write('qavit: no API keys are set: whoever reaches this address may ask\nhint: --api-key-file\n');
  }
  if (!signal.aborted) await interrupted;
  await app.drain();
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

export function addServe(program: Command, interruption: Interruption): Command {
  const command = program
    .command('serve')
    .summary("answer over HTTP, as OpenAI's API does")
    .description(
      'Serves models over HTTP: chat completions in the form of OpenAI, visual tokens, attention maps, and a page to try them.',
    );
  return addServeOptions(command)
    .addHelpText('after', paragraph(ABOUT))
    .addHelpText('after', paragraph(READY))
    .addHelpText('after', EXAMPLES)
    .action((options: ServeOptions) => serve(options, command, interruption));
}
