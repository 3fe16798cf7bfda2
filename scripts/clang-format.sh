#!/usr/bin/env bash
# clang-format.sh --check | --write: formats native/ with the clang-format that package.json pins.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:---check}" in
  --check) flags=(--dry-run --Werror) ;;
  --write) flags=(-i) ;;
  *) echo "usage: clang-format.sh --check | --write" >&2; exit 2 ;;
esac
find native -name '*.cpp' -o -name '*.h' -o -name '*.inl' -o -name '*.cu' -o -name '*.cuh' | sort | xargs npx clang-format "${flags[@]}"
