// One product is two parallel loops: the row operand is packed into tiles (all threads together, every element once),
// then tasks of (group, row block, run of panels) multiply. Cutting both ways keeps all threads busy whether there are
// 4,616 rows or one; tasks are handed out as threads become free, so a core that another process takes costs its share
// and no more.
#include "cpu/gemm.h"

#include <algorithm>

namespace qavit::cpu {

namespace {

// Packed rows held at a time. Rows beyond it are taken in rounds, so that a large batch does not need a second copy of
// itself.
constexpr size_t kRoundBytes = size_t{16} << 20;

// Tasks a thread should find, so that no thread waits long for the last one.
constexpr int64_t kTasksPerThread = 16;

// Few rows and few columns, as in 197 x 768 x 768, have too few panels for many threads. Below this many tasks a thread
// rows are cut finer, at the price of reading a panel once more for each cut.
constexpr int64_t kFewestTasksPerThread = 4;

// Below this many multiply-adds waking the other threads costs more than it gives.
constexpr int64_t kSmallProduct = 1 << 18;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Rows [first, first + tiling.rows) of groups [group, group + groups).
struct Round {
  int64_t group = 0;
  int64_t groups = 0;
  int64_t first = 0;
  Tiling tiling;
};

class Product {
 public:
  Product(Context& context, const Gemm& gemm) : context_(context), g_(gemm), w_(*gemm.weight) {}

  Status run(const char* where) {
    const int64_t groups = w_.shape[0];
    const size_t row_bytes = static_cast<size_t>(w_.row_floats) * sizeof(float);
    const int64_t rows_held = std::max<int64_t>(context_.kernels.rows, static_cast<int64_t>(kRoundBytes / row_bytes));
    const int64_t rows_a_round = ceil_div(g_.rows, ceil_div(g_.rows, rows_held));
    const int64_t groups_a_round = std::clamp<int64_t>(rows_held / g_.rows, 1, groups);
    QAVIT_RETURN_IF_ERROR(
        context_.tiles.reserve(static_cast<size_t>(rows_a_round * groups_a_round) * row_bytes, where));
    for (int64_t group = 0; group < groups; group += groups_a_round) {
      for (int64_t first = 0; first < g_.rows; first += rows_a_round) {
        const int64_t rows = std::min(rows_a_round, g_.rows - first);
        run_round(
            {group, std::min(groups_a_round, groups - group), first, {rows, ceil_div(rows, context_.kernels.rows)}});
      }
    }
    return Status();
  }

 private:
  float* packed_group(const Round& round, int64_t group) const {
    return context_.tiles.floats() + (group - round.group) * round.tiling.rows * w_.row_floats;
  }

  template <typename F>
  void for_tasks(const Round& round, int64_t tasks, F&& f) {
    const int64_t multiply_adds = round.tiling.rows * round.groups * w_.shape[1] * w_.shape[2];
    if (multiply_adds > kSmallProduct) return context_.pool.parallel_for(tasks, f);
    for (int64_t task = 0; task < tasks; ++task) f(task, 0);
  }

  void run_round(const Round& round) {
    for_tasks(round, round.groups * round.tiling.tiles, [&](int64_t task, int) { pack(round, task); });

    int64_t row_blocks = ceil_div(round.tiling.rows, context_.kernels.task_rows);
    const int64_t wanted = ceil_div(kTasksPerThread * context_.pool.size(), round.groups * row_blocks);
    const int64_t runs = std::clamp<int64_t>(wanted, 1, w_.panels);
    const int64_t fewest = kFewestTasksPerThread * context_.pool.size();
    if (round.groups * runs * row_blocks < fewest)
      row_blocks = std::min(round.tiling.tiles, ceil_div(fewest, round.groups * runs));
    for_tasks(round, round.groups * runs * row_blocks, [&](int64_t task, int) {
      const int64_t block = task % row_blocks, run = task / row_blocks % runs,
                    group = round.group + task / row_blocks / runs;
      GemmBlock b = block_of(round, group);
      b.tile_begin = round.tiling.tiles * block / row_blocks;
      b.tile_end = round.tiling.tiles * (block + 1) / row_blocks;
      b.panel_begin = w_.panels * run / runs;
      b.panel_end = w_.panels * (run + 1) / runs;
      const int64_t next_run = run + context_.pool.size();  // the others take those between
      if (row_blocks == 1 && next_run < runs) b.next_panel = w_.panels * next_run / runs;
      context_.kernels.gemm_block(b);
    });
  }

  void pack(const Round& round, int64_t task) {
    const int64_t tile = task % round.tiling.tiles, group = round.group + task / round.tiling.tiles;
    const int64_t begin = round.tiling.begin(tile);
    float* out = packed_group(round, group) + begin * w_.row_floats;
    if (g_.patches.pixels.data != nullptr) {
      PatchTile t = g_.patches;
      t.first = round.first + begin;
      t.height = round.tiling.height(tile);
      t.dtype = w_.dtype;
      t.out = out;
      context_.kernels.pack_patches(t);
    } else {
      const int64_t in = w_.shape[2];
      context_.kernels.pack_rows({g_.x, round.first + begin, round.tiling.height(tile), group * in, in, w_.dtype, out});
    }
  }

  GemmBlock block_of(const Round& round, int64_t group) const {
    GemmBlock b;
    b.tiles = packed_group(round, group);
    b.tiling = round.tiling;
    b.first_row = round.first;
    b.panels = w_.group(group);
    b.gate_panels = g_.gate_weight != nullptr ? g_.gate_weight->group(group) : nullptr;
    b.panel_bytes = w_.panel_bytes;
    b.units = w_.units;
    b.row_floats = w_.row_floats;
    b.columns = w_.shape[1];
    b.column_offset = group * w_.shape[1];
    b.dtype = w_.dtype;
    b.bias = g_.bias;
    b.gate_bias = g_.gate_bias;
    b.gate = g_.gate;
    b.activation = g_.activation;
    b.alpha = g_.alpha;
    b.residual = g_.residual;
    b.y = g_.y;
    return b;
  }

  Context& context_;
  const Gemm& g_;
  const PackedWeight& w_;
};

}  // namespace

Status run_gemm(Context& context, const Gemm& gemm, const char* where) { return Product(context, gemm).run(where); }

}  // namespace qavit::cpu
