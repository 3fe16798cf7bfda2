// Brings a parameter into the form of weight.h.
#pragma once

#include <memory>

#include "core/status.h"
#include "core/weight.h"
#include "cuda/context.h"
#include "cuda/uploads.h"

namespace qavit::cuda {

// Rounds to nearest even on the host while the pieces before travel; enqueued, not waited for.
Status upload_weight(const std::shared_ptr<Context>& context, Uploads& uploads, const WeightSource& source,
                     std::shared_ptr<Weight>* weight);

}  // namespace qavit::cuda
