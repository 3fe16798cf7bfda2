// AttentionTasks: what concat_attention, question_attention and attention share. A task is a run of query rows of one
// head of one batch entry; the thread that takes it packs that head's keys (and values) into its own scratch, unless
// its previous task already did.
#pragma once

#include "core/ops.h"
#include "cpu/context.h"

namespace qavit::cpu {

// What attention adds to a score, by the distance of a key from its query.
struct RelativeBias {
  const float* table = nullptr;  // [H, 2R + 1]; null: zeros
  int64_t columns = 0;           // 2R + 1
  bool causal = false;           // keys behind their query are hidden

  // out[i] = the bias of head `head` at distance first + i, in units of ln 2 (-inf: hidden), for i < count.
  void expand(int64_t head, int64_t first, int64_t count, float* out) const;
};

class AttentionTasks {
 public:
  struct Operands {
    View q, k, v;  // v absent: weights only
    View question_k, question_v, question_lengths;
    int64_t heads = 0;
    float scale = 1.0f;
    // Of attention only, which has no question.
    View lengths;                        // of k and v
    const RelativeBias* bias = nullptr;  // null: none, and every key is visible
  };
  struct Task {
    int64_t batch = 0;
    int64_t head = 0;
    int64_t first = 0;  // query row
    int64_t rows = 0;
  };

  AttentionTasks(Context& context, const Operands& operands);

  // All tasks on all threads: y [B, rows of q, H * D] = softmax(scores) v.
  Status attend(const View& y, const char* where);

  // Makes room for every thread.
  Status prepare(const char* where);

  // `blocks` runs of query rows a head; enough for every thread to find several tasks, but each worth its packing.
  int64_t blocks() const;

  // Task `index` of heads * batch * blocks(): head by head, so that a question shared by the batch is packed once a
  // head.
  Task task(int64_t index) const;

  // Everything but `out`, with keys and values packed by this thread.
  AttentionBlock block_of(const Task& task, int thread);

 private:
  HeadRows rows_of(const View& view, const Task& task, int64_t count) const;
  int64_t question_count(int64_t batch) const;
  int64_t key_count(int64_t batch) const;
  int64_t padded(int64_t n) const;

  Context& context_;
  const Operands o_;
  int64_t width_;  // D
  DType product_;
  int64_t question_floats_ = 0;  // keys, then as many for values
  int64_t picture_floats_ = 0;
  int64_t score_stride_ = 0;
};

}  // namespace qavit::cpu
