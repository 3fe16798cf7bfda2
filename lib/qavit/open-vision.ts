import { createHash } from 'node:crypto';
import path from 'node:path';
import { expectedButFound } from '../errors';
import { normalization, type PreprocessorConfig } from '../image';
import { openAdapter } from '../models/adapter';
import { adapterImageSize, parseAdapterConfig, type QuestionConfig } from '../models/adapter-config';
import { fuse, plain, type Taken, type VisionModel } from '../models/qavit';
import type { Tower } from '../models/tower';
import { type JsonObject, readJsonObject } from '../json-file';
import { addFingerprint, TensorFolder } from '../weights';
import { openTower, type OpenTensors, type OpenTower, type TowerOptions } from './open-tower';
import type { ModelFolders } from './types';

export interface VisionOptions extends TowerOptions {
  readonly hiddenLayer?: number;
  readonly keepClass?: boolean;
}

/** A vision model described, its files open. */
export interface OpenVision {
  readonly model: VisionModel;
  readonly preprocessor: PreprocessorConfig;
  /** How the adapter wants its questions; absent without one. */
  readonly question?: QuestionConfig;
  /** E; absent without a projector. */
  readonly languageWidth?: number;
  /** The vision-language model that the tower is part of, for people; absent for a tower alone. */
  readonly whole?: string;
  /** Whether visual tokens are to say where in the picture they are, in whatever shape that comes. */
  readonly placedRows: boolean;
  /** Stands for all weights and for what the configurations say of them and of pictures. */
  readonly fingerprint: string;
  /** Closes the files; parameters that are not resident yet are out of reach afterwards. */
  close(): void;
}

/**
 * Reads the configurations, opens the weights and checks that all of it fits together. No parameter is read yet, small ones aside.
 *
 * @throws QAViTError ERR_FORMAT, ERR_SHAPE, ERR_DTYPE or ERR_UNSUPPORTED, naming file and field or tensor
 */
export async function openVision(folders: ModelFolders, options: VisionOptions): Promise<OpenVision> {
  const opened: TensorFolder[] = [];
  const close = (): void => opened.forEach((folder) => folder.close());
  const open: OpenTensors = async (directory, wanted) => {
    const folder = await TensorFolder.open(directory, wanted);
    opened.push(folder);
    return folder;
  };
  try {
    const described = folders.adapter === undefined ? undefined : await describeAdapter(folders.adapter);
    const trainedOn = described && adapterImageSize(described.json, described.file);
    const tower = await openTower(folders.tower, { ...options, trainedOn }, open);
    const { adapterConfig, ...vision } = described
      ? await openFused(tower, described, options, open)
      : openPlain(tower, options);
    const fingerprint = createHash('sha256');
    for (const folder of opened) addFingerprint(fingerprint, folder.all);
    const { preprocessor, config, whole } = tower;
    // Pixels are in the keys themselves; what is made of them is not.
    fingerprint.update(JSON.stringify([config, normalization(preprocessor), adapterConfig ?? null]));
    const { name, placedRows = false } = whole ?? {};
    return { ...vision, preprocessor, whole: name, placedRows, fingerprint: fingerprint.digest('hex'), close };
  } catch (error) {
    close();
    throw error;
  }
}

function openPlain({ tower, whole }: OpenTower, options: VisionOptions) {
  const model = plain(tower, { ...taken(whole), ...given(tower, options) });
  return { model, languageWidth: whole?.languageWidth, adapterConfig: undefined };
}

/** An adapter's configuration, read before its tower is opened: it may say what that sees. */
interface DescribedAdapter {
  readonly directory: string;
  readonly file: string;
  readonly json: JsonObject;
}

async function describeAdapter(directory: string): Promise<DescribedAdapter> {
  const file = path.join(directory, 'config.json');
  return { directory, file, json: await readJsonObject(file) };
}

async function openFused(
  { tower, whole }: OpenTower,
  { directory, file, json }: DescribedAdapter,
  options: VisionOptions,
  open: OpenTensors,
) {
  const config = {
    ...parseAdapterConfig(json, file, tower.layers.length, taken(whole)),
    ...given(tower, options),
  };
  const adapter = openAdapter(config, await open(directory), tower.width);
  // An adapter that was trained with a projector of its own brings it along.
  const projector = adapter.projector ?? whole?.taken.projector;
  const model = fuse(tower, { ...adapter, projector }, { folds: options.folds ?? true });
  const languageWidth = adapter.languageWidth ?? whole?.languageWidth;
  return { model, question: config.question, languageWidth, adapterConfig: json };
}

/** What is taken from a tower unless told otherwise. */
function taken(whole: OpenTower['whole']): Taken {
  return whole?.taken ?? { hiddenLayer: -1, keepClass: true };
}

/** The options that were given, checked against the tower. */
function given({ layers }: Tower, { hiddenLayer, keepClass }: VisionOptions) {
  const last = layers.length;
  if (hiddenLayer !== undefined && (hiddenLayer < -last - 1 || hiddenLayer > last)) {
    throw expectedButFound(
      'ERR_ARGUMENT',
      `an integer from ${-last - 1} to ${last}`,
      'option hiddenLayer',
      String(hiddenLayer),
    );
  }
  return { ...(hiddenLayer === undefined ? {} : { hiddenLayer }), ...(keepClass === undefined ? {} : { keepClass }) };
}
