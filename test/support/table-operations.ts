/** Every case of the table as an operation, question_attention's included. Operands are made at first use and kept: tests share them. */
import { CASE_OPS, casesOf, type CaseOp } from '../cases';
import { operationOf, questionAttentionOf, type CaseOperation } from './case-operands';

export interface TableOperation {
  op: CaseOp | 'question_attention';
  /** 'linear: one row' */
  name: string;
  operation: () => CaseOperation;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const all = once((): TableOperation[] => {
  const plain = CASE_OPS.flatMap((op) =>
    casesOf(op).map((entry) => ({
      op,
      name: `${op}: ${entry.name}`,
      operation: once(() => operationOf(op, entry)),
    })),
  );
  const questions = casesOf('concat_attention').filter(({ K }) => K > 0);
  const shown = questions.map((entry) => ({
    op: 'question_attention' as const,
    name: `question_attention: ${entry.name}`,
    operation: once(() => questionAttentionOf(entry)),
  }));
  return [...plain, ...shown];
});

export const tableOperations = (): readonly TableOperation[] => all();
