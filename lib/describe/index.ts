export {
  type DescribedAdapter,
  type DescribedLanguage,
  type DescribedTower,
  describeFiles,
  type ModelDescription,
} from './describe-files';
export { type LocatedPart, locateParts } from './locate-parts';
export type { WeightSummary } from './weight-summary';
