export { ensureConfigs, ensureModel, fetchModel, type HubOptions, inFolder } from './ensure-model';
export { type HubName, parseHubName } from './name';
export { neededFiles, type Needs, type Role, roleOf } from './needs';
export { type Part, partFolder, PARTS } from './parts';
export type { DownloadProgress } from './progress';
export { tokenizerFile } from './tokenizer-file';
