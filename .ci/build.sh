#!/bin/sh
# Builds a configured folder quietly; shows everything if that fails.
#
#     sh .ci/build.sh DIR [TARGET...]
set -eu
dir=$1
shift
if [ $# -gt 0 ]; then set -- --target "$@"; fi
if ! cmake --build "$dir" --parallel "$(nproc)" "$@" >"$dir/build.log" 2>&1; then
    cat "$dir/build.log"
    exit 1
fi
