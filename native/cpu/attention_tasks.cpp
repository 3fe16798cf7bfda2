#include "cpu/attention_tasks.h"

#include <algorithm>

#include "core/rounding.h"

namespace qavit::cpu {

namespace {

constexpr int64_t kTasksPerThread = 4;

// Packing a head's keys and values costs about as much as eleven query rows; with 56 and more it is a small part of a
// task.
constexpr int64_t kRowsWorthPacking = 56;

constexpr float kLog2e = 1.44269504f;

}  // namespace

void RelativeBias::expand(int64_t head, int64_t first, int64_t count, float* out) const {
  const int64_t farthest = columns / 2;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t distance = first + i, column = std::clamp(distance, -farthest, farthest) + farthest;
    const float bias = table == nullptr ? 0.0f : table[head * columns + column] * kLog2e;
    out[i] = causal && distance > 0 ? -kInfinity : bias;
  }
}

AttentionTasks::AttentionTasks(Context& context, const Operands& operands)
    : context_(context), o_(operands), width_(operands.q.cols / operands.heads) {
  const bool bf16 = context.kernels.bf16_attention && operands.q.dtype == DType::kBF16;
  product_ = bf16 ? DType::kBF16 : DType::kF32;
  // Keys are [units of D][keys], values [units of keys][D]; either way both dimensions are padded to whole vectors.
  const int64_t head_floats = padded(width_) * padded(o_.k.rows);
  picture_floats_ = head_floats;
  question_floats_ = o_.question_k.present() ? padded(width_) * padded(o_.question_k.rows) : 0;
  // One vector more than needed: rows a multiple of 4 KiB apart would share one set of the level-1 cache.
  score_stride_ = padded(o_.k.rows) + padded(o_.question_k.rows) + context.kernels.width;
}

int64_t AttentionTasks::padded(int64_t n) const { return round_up(n, context_.kernels.width); }

int64_t AttentionTasks::question_count(int64_t batch) const {
  if (!o_.question_k.present()) return 0;
  return o_.question_lengths.present() ? o_.question_lengths.row<int32_t>(0, 0)[batch] : o_.question_k.rows;
}

int64_t AttentionTasks::key_count(int64_t batch) const {
  return o_.lengths.present() ? o_.lengths.row<int32_t>(0, 0)[batch] : o_.k.rows;
}

Status AttentionTasks::prepare(const char* where) {
  for (PackedHeads& packed : context_.packed_heads) packed = PackedHeads{};
  // A bias runs over the distances of all rows of a task from all keys.
  const int64_t bias_floats = o_.bias != nullptr ? o_.q.rows + padded(o_.k.rows) : 0;
  const int64_t floats = 2 * (picture_floats_ + question_floats_) + context_.kernels.rows * score_stride_ + bias_floats;
  return context_.reserve_scratch(static_cast<size_t>(floats) * sizeof(float), where);
}

Status AttentionTasks::attend(const View& y, const char* where) {
  QAVIT_RETURN_IF_ERROR(prepare(where));
  const RowSpan out = span_of(y);
  context_.pool.parallel_for(o_.heads * o_.q.batch * blocks(), [&](int64_t index, int thread) {
    const Task task = this->task(index);
    AttentionBlock block = block_of(task, thread);
    block.out = out.at(task.batch * o_.q.rows + task.first, task.head * width_);
    block.out_dtype = y.dtype;
    block.out_stride = y.row_stride;
    context_.kernels.attend(block);
  });
  return Status();
}

int64_t AttentionTasks::blocks() const {
  const int64_t heads = o_.heads * o_.q.batch;
  const int64_t wanted = ceil_div(kTasksPerThread * context_.pool.size(), heads);
  return std::clamp<int64_t>(wanted, 1, std::max<int64_t>(1, o_.q.rows / kRowsWorthPacking));
}

AttentionTasks::Task AttentionTasks::task(int64_t index) const {
  const int64_t blocks = this->blocks(), block = index % blocks;
  Task task;
  task.batch = index / blocks % o_.q.batch;
  task.head = index / blocks / o_.q.batch;
  task.first = o_.q.rows * block / blocks;
  task.rows = o_.q.rows * (block + 1) / blocks - task.first;
  return task;
}

HeadRows AttentionTasks::rows_of(const View& view, const Task& task, int64_t count) const {
  const int64_t element = task.batch * view.batch_stride + task.head * width_;
  return {static_cast<const char*>(view.data) + element * static_cast<int64_t>(dtype_size(view.dtype)), view.dtype,
          view.row_stride, count};
}

AttentionBlock AttentionTasks::block_of(const Task& task, int thread) {
  float* scratch = context_.scratch[static_cast<size_t>(thread)].floats();
  PackedHeads& packed = context_.packed_heads[static_cast<size_t>(thread)];
  const int64_t questions = question_count(task.batch), keys = key_count(task.batch);
  const auto pack = [&](const View& keys, const View& values, int64_t count, float* out, int64_t floats) {
    context_.kernels.pack_keys(rows_of(keys, task, count), width_, product_, out);
    if (values.present()) context_.kernels.pack_values(rows_of(values, task, count), width_, product_, out + floats);
  };

  // Of operands that the batch shares, only the head tells one task's keys from another's.
  const auto place = [&](const View& keys, const View& values) {
    const bool shared = keys.batch_stride == 0 && (!values.present() || values.batch_stride == 0);
    return task.head * o_.q.batch + (shared ? 0 : task.batch);
  };
  const int64_t picture = place(o_.k, o_.v);
  if (packed.picture != picture || packed.picture_count != keys) {
    pack(o_.k, o_.v, keys, scratch, picture_floats_);
    packed.picture = picture;
    packed.picture_count = keys;
  }
  float* question_scratch = scratch + 2 * picture_floats_;
  if (questions > 0) {
    const int64_t question = place(o_.question_k, o_.question_v);
    if (packed.question != question || packed.question_count != questions) {
      pack(o_.question_k, o_.question_v, questions, question_scratch, question_floats_);
      packed.question = question;
      packed.question_count = questions;
    }
  }

  AttentionBlock block;
  block.segments[0] = {question_scratch, question_scratch + question_floats_, questions};
  block.segments[1] = {scratch, scratch + picture_floats_, keys};
  block.queries = rows_of(o_.q, task, task.rows);
  block.queries.data = static_cast<const char*>(block.queries.data) +
                       task.first * o_.q.row_stride * static_cast<int64_t>(dtype_size(o_.q.dtype));
  block.width = width_;
  block.scale = o_.scale;
  block.dtype = product_;
  block.scores = question_scratch + 2 * question_floats_;
  block.score_stride = score_stride_;
  if (o_.bias != nullptr) {
    // Row r of the task stands at `position` + r: its distances to the keys end up in front of those of row r - 1.
    const int64_t position = (o_.bias->causal ? keys - o_.q.rows : 0) + task.first;
    float* bias = block.scores + context_.kernels.rows * score_stride_;
    o_.bias->expand(task.head, 1 - position - task.rows, task.rows + padded(keys), bias);
    block.bias = bias + task.rows - 1;
  }
  return block;
}

}  // namespace qavit::cpu
