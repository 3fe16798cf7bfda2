export { ensureModel, fetchModel, type HubOptions, inFolder } from './ensure-model';
export { type HubName, parseHubName } from './name';
export { neededFiles, type Needs, type Role } from './needs';
export type { DownloadProgress } from './progress';
