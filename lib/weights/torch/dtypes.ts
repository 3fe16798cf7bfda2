/** An element type: by the name that safetensors gives it, and its size. */
export interface TorchDType {
  readonly name: string;
  readonly bytes: number;
}

/** torch's dtype, its storage class (where it has one), and ours. */
const TABLE: readonly (readonly [
  dtypes: readonly string[],
  storage: string | undefined,
  name: string,
  bytes: number,
])[] = [
  [['float32', 'float'], 'FloatStorage', 'F32', 4],
  [['float16', 'half'], 'HalfStorage', 'F16', 2],
  [['bfloat16'], 'BFloat16Storage', 'BF16', 2],
  [['float64', 'double'], 'DoubleStorage', 'F64', 8],
  [['int64', 'long'], 'LongStorage', 'I64', 8],
  [['int32', 'int'], 'IntStorage', 'I32', 4],
  [['int16', 'short'], 'ShortStorage', 'I16', 2],
  [['int8'], 'CharStorage', 'I8', 1],
  [['uint8'], 'ByteStorage', 'U8', 1],
  [['bool'], 'BoolStorage', 'BOOL', 1],
  [['complex64', 'cfloat'], 'ComplexFloatStorage', 'C64', 8],
  [['complex128', 'cdouble'], 'ComplexDoubleStorage', 'C128', 16],
  [['uint16'], undefined, 'U16', 2],
  [['uint32'], undefined, 'U32', 4],
  [['uint64'], undefined, 'U64', 8],
  [['float8_e4m3fn'], undefined, 'F8_E4M3', 1],
  [['float8_e5m2'], undefined, 'F8_E5M2', 1],
];

/** `torch.float16` and the like. */
export const DTYPES: ReadonlyMap<string, TorchDType> = new Map(
  TABLE.flatMap(([dtypes, , name, bytes]) => dtypes.map((dtype) => [`torch.${dtype}`, { name, bytes }])),
);

/** `torch.HalfStorage` and the like. Bytes without a type are typed by the tensors over them. */
export const STORAGES: ReadonlyMap<string, TorchDType> = new Map([
  ...TABLE.flatMap(([, storage, name, bytes]) => (storage ? [[`torch.${storage}`, { name, bytes }] as const] : [])),
  ['torch.storage.UntypedStorage', { name: 'untyped', bytes: 1 }],
]);
