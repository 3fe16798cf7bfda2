export { ensureConfigs, ensureModel, fetchModel, type HubOptions, inFolder } from './ensure-model';
export { type HubName, parseHubName } from './name';
export { isInside, neededFiles, type Needs, type Role, roleOf } from './needs';
export type { DownloadProgress } from './progress';
