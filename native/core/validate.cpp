#include "core/validate.h"

#include "core/int8.h"
#include "core/rules.h"
#include "core/shape.h"
#include "core/visit.h"

namespace qavit {

namespace {

// Presence, layout and role of every operand, before any rule compares them.
template <typename Params>
void check_operands(const Params& p, Rules& rules) {
  for_each_view(p, [&](const View& view, const char* name, Access access, bool required) {
    const bool given = view.batch != 0 || view.rows != 0 || view.cols != 0;
    if (given) {
      rules.layout(view, name, access);
    } else if (required) {
      rules.fail(ErrorCode::kArgument, name, "nothing");
    }
  });
  for_each_weight(p, [&](const Weight* weight, const char* name, WeightRole role, bool required) {
    if (weight != nullptr) {
      rules.role(weight, name, role);
    } else if (required) {
      rules.fail(ErrorCode::kArgument, name, "nothing");
    }
  });
}

void check(const PatchEmbedParams& p, Rules& rules) {
  rules.dtype(p.pixels, "pixels", DType::kU8);
  if (p.patch < 1 || p.patch > p.pixels.rows || p.patch > p.pixels.cols / 3) {
    return rules.fail(ErrorCode::kArgument, "patch of 1 pixel to the image's shorter side", std::to_string(p.patch));
  }
  if (p.pixels.cols % 3 != 0) {
    return rules.fail(ErrorCode::kShape, "pixels with 3 channels (columns a multiple of 3)",
                      to_string(shape_of(p.pixels)));
  }
  // No product below overflows: each is at most the number of pixels, whose bytes are known to fit.
  const int64_t patches = (p.pixels.rows / p.patch) * (p.pixels.cols / 3 / p.patch);
  const int64_t tokens = patches + (p.has_class ? 1 : 0);
  const int64_t width = p.weight->shape[1];
  rules.shape(p.weight, "weight", {1, width, p.patch * p.patch * 3});
  if (p.weight->dtype == DType::kInt8) rules.fail(ErrorCode::kDType, "weight in f32, bf16 or f16", "int8");
  rules.shape(p.table, "table", {1, tokens, width});
  rules.dtype(p.table, "table", DType::kF32);
  rules.shape(p.out, "out", {p.pixels.batch, tokens, width});
  rules.float_dtype(p.out, "out");
}

void check(const LayerNormParams& p, Rules& rules) {
  rules.float_dtype(p.x, "x");
  rules.shape(p.gamma, "gamma", {1, 1, p.x.cols});
  rules.shape(p.beta, "beta", {1, 1, p.x.cols});
  rules.finite(p.eps, "eps");
  if (p.eps <= 0) rules.fail(ErrorCode::kArgument, "eps > 0", std::to_string(p.eps));
  rules.shape(p.y, "y", shape_of(p.x));
  rules.float_dtype(p.y, "y");
}

void check(const RmsNormParams& p, Rules& rules) {
  rules.float_dtype(p.x, "x");
  rules.shape(p.gamma, "gamma", {1, 1, p.x.cols});
  rules.finite(p.eps, "eps");
  if (p.eps <= 0) rules.fail(ErrorCode::kArgument, "eps > 0", std::to_string(p.eps));
  rules.shape(p.y, "y", shape_of(p.x));
  rules.float_dtype(p.y, "y");
}

void check(const LinearParams& p, Rules& rules) {
  const auto [groups, out, in] = p.weight->shape;  // groups * out and groups * in are bounded by the weight's elements
  // Said of the weight where possible: its shape is what a user brings, x follows from the graph.
  if (p.x.cols % groups == 0) {
    rules.shape(p.weight, "weight", {groups, out, p.x.cols / groups});
  } else {
    rules.shape(p.x, "x", {p.x.batch, p.x.rows, groups * in});
  }
  rules.float_dtype(p.x, "x");
  rules.product_dtype(p.weight, "weight", p.x.dtype);
  rules.shape(p.bias, "bias", {1, 1, groups * out});
  rules.finite(p.alpha, "alpha");
  const Shape result = {p.x.batch, p.x.rows, groups * out};
  rules.shape(p.y, "y", result);
  rules.float_dtype(p.y, "y");
  if (p.residual.present()) rules.shape(p.residual, "residual", result);
  rules.float_dtype(p.residual, "residual");
}

// What q and k of any attention have to be, and how they are multiplied.
void check_scores(const View& q, const View& k, int64_t heads, float scale, Rules& rules) {
  if (heads < 1 || q.cols % heads != 0) {
    rules.fail(ErrorCode::kArgument, "heads that divide the width " + std::to_string(q.cols), std::to_string(heads));
  }
  rules.finite(scale, "scale");
  rules.float_dtype(q, "q");
  rules.shape(k, "k", {q.batch, k.rows, q.cols});
  rules.dtype(k, "k", q.dtype);
}

void check(const ConcatAttentionParams& p, Rules& rules) {
  check_scores(p.q, p.k, p.heads, p.scale, rules);
  rules.shape(p.v, "v", shape_of(p.k));
  rules.dtype(p.v, "v", p.q.dtype);
  if (p.question_k.present() != p.question_v.present()) {
    const bool has_k = p.question_k.present();
    rules.fail(ErrorCode::kArgument, "question_k and question_v together",
               has_k ? "question_k alone" : "question_v alone");
  } else if (p.question_k.present()) {
    rules.shape(p.question_k, "question_k", {p.q.batch, p.question_k.rows, p.q.cols});
    rules.dtype(p.question_k, "question_k", p.q.dtype);
    rules.shape(p.question_v, "question_v", shape_of(p.question_k));
    rules.dtype(p.question_v, "question_v", p.q.dtype);
  } else if (p.question_lengths.present()) {
    rules.fail(ErrorCode::kArgument, "question_k and question_v beside question_lengths", "question_lengths alone");
  }
  rules.indices(p.question_lengths, "question_lengths", p.q.batch);
  rules.shape(p.out, "out", shape_of(p.q));
  rules.float_dtype(p.out, "out");
}

void check(const AttentionParams& p, Rules& rules) {
  check_scores(p.q, p.k, p.heads, p.scale, rules);
  rules.shape(p.v, "v", shape_of(p.k));
  rules.dtype(p.v, "v", p.q.dtype);
  rules.indices(p.lengths, "lengths", p.q.batch);
  if (p.causal && p.k.rows < p.q.rows) {
    rules.fail(ErrorCode::kShape, "k of at least " + std::to_string(p.q.rows) + " rows, as many as q has,",
               to_string(shape_of(p.k)));
  }
  if (p.bias != nullptr) {
    rules.shape(p.bias, "bias", {1, p.heads, p.bias->shape[2]});
    rules.dtype(p.bias, "bias", DType::kF32);
    if (p.bias->shape[2] % 2 == 0) {
      rules.fail(ErrorCode::kShape, "bias of 2R + 1 columns", to_string(p.bias->shape));
    }
  }
  rules.shape(p.out, "out", shape_of(p.q));
  rules.float_dtype(p.out, "out");
}

void check(const RotaryEmbedParams& p, Rules& rules) {
  const int64_t places = p.table->shape[1], width = p.table->shape[2];
  rules.float_dtype(p.x, "x");
  if (width % 2 != 0) rules.fail(ErrorCode::kShape, "table [P, D] of an even D", to_string(p.table->shape));
  if (p.x.cols % width != 0) {
    rules.fail(ErrorCode::kShape, "x of heads that are " + std::to_string(width) + " wide", to_string(shape_of(p.x)));
  }
  if (places > p.x.rows) {
    rules.fail(ErrorCode::kShape, "table of at most " + std::to_string(p.x.rows) + " rows, as many as x has,",
               to_string(p.table->shape));
  }
  rules.dtype(p.table, "table", DType::kF32);
  rules.shape(p.y, "y", shape_of(p.x));
  rules.float_dtype(p.y, "y");
}

void check(const QuestionAttentionParams& p, Rules& rules) {
  check_scores(p.q, p.k, p.heads, p.scale, rules);
  rules.shape(p.question_k, "question_k", {p.q.batch, p.question_k.rows, p.q.cols});
  rules.dtype(p.question_k, "question_k", p.q.dtype);
  rules.indices(p.question_lengths, "question_lengths", p.q.batch);
  rules.shape(p.out, "out", {p.q.batch, p.q.rows, p.question_k.rows});
  rules.dtype(p.out, "out", DType::kF32);
}

void check(const GatedProjectionParams& p, Rules& rules) {
  const int64_t width = p.x.cols;
  rules.float_dtype(p.x, "x");
  rules.shape(p.weight, "weight", {1, width, width});
  rules.product_dtype(p.weight, "weight", p.x.dtype);
  rules.shape(p.bias, "bias", {1, 1, width});
  rules.shape(p.gate_weight, "gate_weight", {1, width, width});
  rules.dtype(p.gate_weight, "gate_weight", p.weight->dtype);
  rules.shape(p.gate_bias, "gate_bias", {1, 1, width});
  if (p.gate_weight == nullptr && p.gate_bias != nullptr) {
    rules.fail(ErrorCode::kArgument, "gate_weight beside gate_bias", "gate_bias alone");
  }
  rules.finite(p.gate, "gate");
  rules.shape(p.y, "y", shape_of(p.x));
  rules.float_dtype(p.y, "y");
  if (p.residual.present()) rules.shape(p.residual, "residual", shape_of(p.x));
  rules.float_dtype(p.residual, "residual");
}

void check(const GatedActivationParams& p, Rules& rules) {
  rules.float_dtype(p.x, "x");
  if (p.x.cols % 2 != 0) rules.fail(ErrorCode::kShape, "x of 2C columns", to_string(shape_of(p.x)));
  rules.shape(p.y, "y", {p.x.batch, p.x.rows, p.x.cols / 2});
  rules.float_dtype(p.y, "y");
}

void check(const MeanRowsParams& p, Rules& rules) {
  rules.float_dtype(p.x, "x");
  if (p.x.rows % p.y.rows != 0) {
    rules.fail(ErrorCode::kShape, "x of whole groups for " + std::to_string(p.y.rows) + " rows",
               to_string(shape_of(p.x)));
  }
  rules.shape(p.y, "y", {p.x.batch, p.y.rows, p.x.cols});
  rules.float_dtype(p.y, "y");
}

void check(const GatherRowsParams& p, Rules& rules) {
  if ((p.table != nullptr) == p.source.present()) {
    return rules.fail(ErrorCode::kArgument, "either table or source", p.table != nullptr ? "both" : "neither");
  }
  if (p.table != nullptr) {
    rules.indices(p.index, "index", p.out.batch * p.out.rows);  // fits: the elements of an output do
    rules.shape(p.out, "out", {p.out.batch, p.out.rows, p.table->shape[2]});
  } else {
    rules.indices(p.index, "index", p.out.batch);
    rules.float_dtype(p.source, "source");
    rules.shape(p.out, "out", {p.out.batch, p.source.rows, p.source.cols});
  }
  rules.float_dtype(p.out, "out");
}

void check(const AppendRowsParams& p, Rules& rules) {
  rules.float_dtype(p.x, "x");
  rules.float_dtype(p.cache, "cache");
  rules.indices(p.position, "position", p.x.batch);
  rules.shape(p.cache, "cache", {p.x.batch, p.cache.rows, p.x.cols});
  if (p.cache.rows < p.x.rows) {
    rules.fail(ErrorCode::kShape, "cache of at least " + std::to_string(p.x.rows) + " rows",
               to_string(shape_of(p.cache)));
  }
}

void check(const CopyParams& p, Rules& rules) {
  rules.float_dtype(p.x, "x");
  rules.shape(p.y, "y", shape_of(p.x));
  rules.float_dtype(p.y, "y");
}

bool is_float(DType dtype) { return dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16; }

}  // namespace

Status validate(const OpParams& params, const std::string& where) {
  Rules rules(where);
  std::visit(
      [&](const auto& p) {
        check_operands(p, rules);
        if (rules.ok()) check(p, rules);
      },
      params);
  return rules.status();
}

Status validate(const WeightSource& source, const std::string& where) {
  Rules rules(where);
  const auto [groups, rows, cols] = source.shape;
  // Packing and computing may widen to f32, so it is the f32 size that must fit.
  if (!checked_elements(source.shape, DType::kF32)) {
    rules.fail(ErrorCode::kShape, "a shape with dimensions >= 1 that fits in memory", to_string(source.shape));
  }
  if (source.role == WeightRole::kVector && (groups != 1 || rows != 1)) {
    rules.fail(ErrorCode::kShape, "the shape [1, 1, n] of a vector", to_string(source.shape));
  }
  if (source.role == WeightRole::kTable && groups != 1) {
    rules.fail(ErrorCode::kShape, "the shape [1, rows, cols] of a table", to_string(source.shape));
  }
  if (!is_float(source.dtype)) rules.fail(ErrorCode::kDType, "f32, bf16 or f16", dtype_name(source.dtype));
  if (source.compute_dtype == DType::kInt8 && source.role == WeightRole::kMatrix) {
    if (cols > kMaxInt8Columns) {
      rules.fail(ErrorCode::kUnsupported, "at most " + std::to_string(kMaxInt8Columns) + " columns in int8",
                 to_string(source.shape));
    }
  } else if (!is_float(source.compute_dtype)) {
    rules.fail(ErrorCode::kDType, "f32, bf16 or f16 to compute in", dtype_name(source.compute_dtype));
  }
  return rules.status();
}

}  // namespace qavit
