import type { Device, MatrixDType } from '../binding/native';
import { expected } from '../errors';
import type { ComputeDType } from '../graph';

/** What matrix products are computed in. */
export interface Precision {
  /** As asked for, or chosen: what `info` says. */
  readonly dtype: MatrixDType;
  /** Activations, and the matrices that are not quantised: the same, or with int8 the fastest float of the device. */
  readonly float: ComputeDType;
}

const isFloat = (dtype: MatrixDType): dtype is ComputeDType => dtype !== 'int8';

/** @throws QAViTError ERR_DTYPE where the device does not compute in what was asked for, naming what it does */
export function choosePrecision({ info }: Device, asked: 'auto' | MatrixDType): Precision {
  const [fastest = 'f32'] = info.dtypes.filter(isFloat);
  // int8 rounds what a model was trained to be: it has to be asked for.
  const dtype = asked === 'auto' ? fastest : asked;
  if (info.dtypes.includes(dtype)) return { dtype, float: isFloat(dtype) ? dtype : fastest };
  throw expected('ERR_DTYPE', `one of ${info.dtypes.join(', ')}`, `dtype on the device ${info.kind}`, asked);
}
