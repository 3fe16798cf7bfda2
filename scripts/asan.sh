#!/usr/bin/env bash
# The native tests under AddressSanitizer and UndefinedBehaviorSanitizer; `asan.sh <mocha arguments>` runs others.
set -euo pipefail
cd "$(dirname "$0")/.."

npx cmake-js compile --silent --parallel 2 -O build-asan --CDQAVIT_SANITIZE=ON
npm run --silent build:ts

# Node itself is not instrumented, so the runtime must come first. The C++ runtime comes with it: the interceptor of `throw` looks for
# it once, at start.
runtime() { "${CXX:-c++}" -print-file-name="$1"; }
export LD_PRELOAD="$(runtime libasan.so):$(runtime libstdc++.so)"
# detect_leaks=0: V8 frees little at exit, which LeakSanitizer cannot tell from a leak; test/native/memory.test.ts watches for those.
# quarantine_size_mb=8: the default keeps 256 MB of freed memory, which those tests would see as growth.
# allocator_may_return_null=1: as outside the sanitizer, so that huge requests are answered and not fatal.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=8${ASAN_OPTIONS:+:$ASAN_OPTIONS}
export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export QAVIT_ADDON="$PWD/build-asan/Release/qavit.node"

# Sharp, ONNX Runtime and the tokenizer are other people's binaries: only tests of this package's own native code. Not those that bound
# resident memory: the sanitizer's shadow and red zones are resident too.
if [ "$#" -eq 0 ]; then set -- 'dist/test/native/*.test.js' dist/test/image/resample.test.js --grep 'resident memory' --invert; fi
exec node node_modules/mocha/bin/mocha.js --no-config --timeout 300000 --reporter dot "$@"
