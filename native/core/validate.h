// validate: every rule about shapes, dtypes, strides and roles that an operation's params must obey, in one place, so
// that no backend has to ask again. Data pointers are not looked at. A dimension is never 0: what has no elements (K =
// 0) is absent.
#pragma once

#include <string>

#include "core/ops.h"
#include "core/status.h"

namespace qavit {

// `where` names the operation in messages, for example "linear layers.3.mlp.fc1".
Status validate(const OpParams& params, const std::string& where);

// The rules of a parameter: its role, dtypes and shape. `where` names it in messages, for example "weight 3".
Status validate(const WeightSource& source, const std::string& where);

}  // namespace qavit
