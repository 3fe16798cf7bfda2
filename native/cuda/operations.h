// Every operation of the CUDA backend: supports(), workspace_bytes() and run(), overloaded on the params.
#pragma once

#include "cuda/attention/attention.h"
#include "cuda/concat_attention/concat_attention.h"
#include "cuda/gated_activation/gated_activation.h"
#include "cuda/gated_projection/gated_projection.h"
#include "cuda/layer_norm/layer_norm.h"
#include "cuda/linear/linear.h"
#include "cuda/mean_rows/mean_rows.h"
#include "cuda/patch_embed/patch_embed.h"
#include "cuda/question_attention/question_attention.h"
#include "cuda/rms_norm/rms_norm.h"
#include "cuda/rotary_embed/rotary_embed.h"
#include "cuda/rows/rows.h"
