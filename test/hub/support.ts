import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { HubSettings } from '../../lib/hub/settings';
import { ensureModel, parseHubName, type HubName, type HubOptions, type Role } from '../../lib/hub';
import { FakeHub, type HubFile } from '../support/fake-hub';
import { temporaryFolder } from '../support/temporary';

/** What a tower's repository holds besides the tower: other formats, other frameworks, texts. */
const NOT_NEEDED = [
  'README.md',
  'pytorch_model.bin',
  'tf_model.h5',
  'flax_model.msgpack',
  'onnx/model.onnx',
  'vocab.json',
];

export const bytes = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) % 251));

export const WEIGHTS = bytes(300_000);

export function towerFiles(weights: Partial<HubFile> = {}): Record<string, string | HubFile> {
  return {
    ...Object.fromEntries(NOT_NEEDED.map((name) => [name, 'not needed'])),
    'config.json': JSON.stringify({ model_type: 'clip_vision_model' }),
    'preprocessor_config.json': '{}',
    'model.safetensors': { content: WEIGHTS, large: true, ...weights },
  };
}

/** A folder's files as a hub has them, the weights among the large ones. */
export function filesOf(folder: string): Record<string, HubFile> {
  const names = readdirSync(folder, { recursive: true }).map(String);
  const files = names.filter((name) => statSync(path.join(folder, name)).isFile());
  return Object.fromEntries(
    files.map((name) => [
      name,
      { content: readFileSync(path.join(folder, name)), large: name.endsWith('.safetensors') },
    ]),
  );
}

export const named = (given: string): HubName => parseHubName(given)!;

/** Call inside `describe`: a hub and an empty cache for each test. */
export function hubAndCache() {
  const at = temporaryFolder();
  let count = 0;
  let hub: FakeHub;
  beforeEach(async () => {
    count += 1;
    hub = await FakeHub.start();
  });
  afterEach(() => hub.close());
  const cache = (): string => at(`cache-${count}`);
  const settings = (more: Partial<HubSettings> = {}): HubSettings => ({
    cache: cache(),
    endpoint: hub.endpoint,
    timeoutMs: 5000,
    retryMs: 5,
    beatMs: 20,
    ...more,
  });
  return {
    at,
    cache,
    settings,
    hub: () => hub,
    ensure: (given = 'acme/tower', role: Role = 'model', options: HubOptions = {}) =>
      ensureModel(named(given), role, { settings: settings(), ...options }),
  };
}
