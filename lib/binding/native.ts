/**
 * The whole surface of the native addon, typed. Nothing else in lib/ may assume anything about it. Native failures arrive as
 * `QAViTError` (the class is handed over once, see load.ts).
 */

/** Element types as the addon spells them. f16 and bf16 travel as `Uint16Array`. */
export type DType = 'f32' | 'bf16' | 'f16' | 'u8' | 'i32';

/** What a device may keep a matrix in; int8 is native/core/int8.h's, never an array's. */
export type MatrixDType = 'f32' | 'bf16' | 'f16' | 'int8';

export type HostArray = Float32Array | Uint16Array | Uint8Array | Int32Array;

export type CpuIsa = 'generic' | 'avx2' | 'avx512' | 'avx512vnni' | 'avx512bf16' | 'neon' | 'neondot' | 'neonbf16';

export interface DeviceOptions {
  /** `reference` is the plain-loop specification, for tests. */
  kind: 'cpu' | 'reference' | 'cuda';
  /** Compute threads, 1..256. Default: the cores this process may use. */
  threads?: number;
  /** Forces a code path (ERR_UNSUPPORTED if the processor lacks it). Default: QAVIT_CPU if set, else the best there is. */
  isa?: CpuIsa;
  /** Of `cuda`: which GPU, as CUDA counts them (CUDA_VISIBLE_DEVICES hides and reorders). Default 0. */
  ordinal?: number;
  /** Of `cuda`: whether plans are replayed as CUDA graphs. Default true; false is for comparing. */
  graphs?: boolean;
  /** Of `cuda`: whether `statistics` tells the GPU's time. Default false; true is for benchmarks. */
  timing?: boolean;
}

export interface DeviceInfo {
  kind: 'cpu' | 'reference' | 'cuda';
  /** Processor or GPU model. */
  name: string;
  /** '' where it means nothing. */
  isa: CpuIsa | '';
  threads: number;
  /** What the device computes in: floats, fastest first, then int8 where there is one. */
  dtypes: MatrixDType[];
  /** Which GPU; `cuda` only. */
  ordinal?: number;
}

export type WeightRole = 'matrix' | 'vector' | 'table';

/** Numbers in a file: all of a parameter, or one of the pieces that are stacked into it. */
export interface FileRegion {
  file: MappedFile;
  /** Bytes from the start of the file, aligned or not. */
  offset: number;
  elements: number;
  /** Multiplied in, in f32. Default 1. */
  scale?: number;
  /** For the message (ERR_FORMAT) when a number is infinite or NaN. */
  name: string;
}

/** Dense and row-major. */
export interface WeightUpload {
  /** Regions of files, one behind another, or an array. Numbers from files must be finite; an array's are taken as they are. */
  source: readonly FileRegion[] | HostArray;
  dtype: 'f32' | 'bf16' | 'f16';
  /** matrix [groups, out, in]; table [1, rows, cols]; vector [1, 1, n]. */
  shape: [number, number, number];
  role: WeightRole;
  /** What a matrix or table is kept in; int8 is for matrices of linear and gated_projection. A vector is always f32. */
  computeDtype: MatrixDType;
}

/** Opaque handles. Their memory is counted by `DeviceMemory` and freed when they are collected or the device is closed. */
export interface Weight {
  readonly role: WeightRole;
  readonly dtype: MatrixDType;
  readonly shape: [number, number, number];
  readonly bytes: number;
  /** Lets go of it now; plans that were compiled with it keep it for themselves. Using the handle afterwards is ERR_ARGUMENT. */
  dispose(): void;
}
export interface DeviceTensor {
  readonly dtype: DType;
  readonly shape: [number, number, number];
  readonly bytes: number;
  /** Frees the memory now; using the handle afterwards is ERR_ARGUMENT. */
  dispose(): void;
}
export interface Plan {
  readonly name: string;
  readonly arenaBytes: number;
  /** Lets go of it, and of its weights, now; a run that was started goes on. Using the handle afterwards is ERR_ARGUMENT. */
  dispose(): void;
}

/** A view of a value: all in elements. */
export interface ViewDescription {
  /** Index into PlanDescription.values. */
  value: number;
  offset: number;
  shape: [number, number, number];
  batchStride: number;
  rowStride: number;
}

export type ActivationName = 'none' | 'relu' | 'gelu_erf' | 'gelu_tanh' | 'quick_gelu' | 'silu' | 'tanh';

/** Names of operations, operands and attributes are those of native/core/ops.h. */
export interface OpDescription {
  op:
    | 'patch_embed'
    | 'layer_norm'
    | 'rms_norm'
    | 'linear'
    | 'concat_attention'
    | 'attention'
    | 'rotary_embed'
    | 'question_attention'
    | 'gated_projection'
    | 'gated_activation'
    | 'mean_rows'
    | 'gather_rows'
    | 'append_rows'
    | 'copy';
  /** Where, for messages: 'layers.3.mlp.fc1'. */
  name: string;
  views: Readonly<Record<string, ViewDescription>>;
  /** Operand name -> index into the `weights` argument of compile(). */
  weights: Readonly<Record<string, number>>;
  attributes: Readonly<Record<string, number | boolean | ActivationName>>;
}

export interface PlanDescription {
  name: string;
  values: readonly {
    /** A state is given like an input, as a DeviceTensor that is no other input, and operations change it. */
    kind: 'input' | 'output' | 'intermediate' | 'state';
    dtype: DType;
    shape: [number, number, number];
  }[];
  ops: readonly OpDescription[];
  /** Indices into values, states among the inputs; the order of run()'s inputs and results. */
  inputs: readonly number[];
  outputs: readonly number[];
}

export interface DeviceMemory {
  weightBytes: number;
  tensorBytes: number;
  /** Working memory of runs, kept for the next: intermediate values and, on `cuda`, what operations add up in. */
  arenaBytes: number;
}

/** How a device that records plans has run them so far. */
export interface DeviceStatistics {
  /** Runs that enqueued their operations one by one. */
  launched: number;
  /** Graphs recorded, or brought to other addresses. */
  recorded: number;
  /** Runs that launched a graph. */
  replayed: number;
  /** Time that runs took on the device's own clock; 0 unless it was opened with `timing`. */
  milliseconds: number;
}

/** How a result of a run comes back: `array` as a HostArray, `samples` as Samples, `tensor` as a DeviceTensor, which stays on the device. */
export type ResultForm = 'array' | 'samples' | 'tensor';

/** A result apart, so that whoever keeps a sample does not keep its batch. */
export interface Samples {
  /** One a sample. */
  readonly arrays: HostArray[];
  /** Of each array, the position of its first number that is infinite or NaN, or -1. */
  readonly nonFinite: number[];
}

export type Result = HostArray | Samples | DeviceTensor;

/** Set here, seen by the device's queue thread, which looks at it between operations. */
export interface AbortFlag {
  abort(): void;
}

export interface Device {
  readonly info: DeviceInfo;
  readonly memory: DeviceMemory;
  /** Null where plans are not recorded: on all but `cuda`. ERR_ARGUMENT once closed. */
  readonly statistics: DeviceStatistics | null;
  /** Packs parameters on the device's queue thread. Arrays are copied before this returns; files are read while packing. */
  upload(items: readonly WeightUpload[], abort?: AbortFlag): Promise<Weight[]>;
  /** Validates and lays out; synchronous. */
  compile(description: PlanDescription, weights: readonly Weight[]): Plan;
  /**
   * Runs a plan on the queue thread. Host inputs are copied before this returns; results come back in the forms asked for, fresh arrays
   * unless said. Runs that are submitted before the ones before them have ended overlap with those where the device allows it.
   */
  run(
    plan: Plan,
    inputs: readonly (HostArray | DeviceTensor)[],
    options?: { results?: readonly ResultForm[]; abort?: AbortFlag },
  ): Promise<Result[]>;
  /** A copy of a tensor's contents. */
  read(tensor: DeviceTensor): Promise<HostArray>;
  /** A tensor with a copy of the array, which is made before this returns. */
  write(array: HostArray, options: { dtype: DType; shape: [number, number, number] }): Promise<DeviceTensor>;
  /** Lets queued work end with ERR_ABORTED, waits for the running operation, frees everything. Idempotent. */
  close(): Promise<void>;
}

/** A file read by region, never loaded whole; safe when it is truncated meanwhile (ERR_FORMAT, as for reads outside it). */
export interface MappedFile {
  readonly path: string;
  readonly size: number;
  /** A copy of [offset, offset + length). */
  read(offset: number, length: number): Buffer;
  close(): void;
}

export type ResampleFilter = 'nearest' | 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos';

export interface ResampleRequest {
  /** RGB, HWC, length = width * height * 3. */
  pixels: Uint8Array;
  width: number;
  height: number;
  toWidth: number;
  toHeight: number;
  filter: ResampleFilter;
}

export interface NativeAddon {
  Device: new (options: DeviceOptions) => Device;
  MappedFile: new (path: string) => MappedFile;
  AbortFlag: new () => AbortFlag;
  /** Pillow's resampling, bit for bit; on a libuv thread. */
  resample(request: ResampleRequest): Promise<Uint8Array>;
  /** Code paths compiled in and supported by this processor, best first. */
  cpuIsas(): CpuIsa[];
  /**
   * GFLOP/s that `threads` threads reach together without touching memory, with the multiplication that matrix products of `dtype`
   * use on `isa`. Blocks for about half a second: for benchmarks.
   */
  cpuPeak(isa: CpuIsa, dtype: 'f32' | 'bf16' | 'int8', threads: number): number;
  /** The class native code throws: new ErrorClass(code, message). */
  setErrorClass(errorClass: new (code: string, message: string) => Error): void;
  /** Version of the addon; must equal package.json's. */
  readonly version: string;
}
