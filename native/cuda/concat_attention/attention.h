// Attention as its kernels read it: concat_attention's params with addresses resolved, and for question_attention the
// part that both share.
#pragma once

#include <cstdint>

#include "core/ops.h"
#include "core/status.h"

namespace qavit::cuda {

// A [B, rows, H*D] operand. Strides count elements.
struct HeadRows {
  void* data = nullptr;  // null = absent
  int64_t batch_stride = 0;
  int64_t row_stride = 0;
};

struct Attention {
  HeadRows q, k, v, question_k, question_v, out;
  const int32_t* question_lengths = nullptr;  // in device memory; null = question_rows for all
  DType dtype = DType::kF32;                  // of q, k, v and the question's
  DType out_dtype = DType::kF32;
  bool out_in_chunks = false;  // whether out can be stored 16 bytes at a time, as dtype
  int query_rows = 0;          // M
  int key_rows = 0;            // N
  int question_rows = 0;       // K
  int heads = 0;               // H
  int width = 0;               // D
  float scale = 0.0f;          // times log2(e): weights are powers of 2, which the hardware has and e^x is made from
};

constexpr int kWidestHead = 256;

// Which part of the work a block does; blockIdx.x counts query tiles within heads within batch entries, so that blocks
// that follow each other read the same keys.
struct AttentionWork {
  int batch;
  int head;
  int query_tile;
};

// ERR_UNSUPPORTED where heads are wider than the kernels' widest or a count would not fit their 32 bits.
Status attention_fits(const View& q, const View& k, const View& question_k, int64_t heads, const char* where);

Attention describe(const ConcatAttentionParams& params);
Attention describe(const QuestionAttentionParams& params);

}  // namespace qavit::cuda
