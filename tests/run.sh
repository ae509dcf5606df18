#!/bin/sh
# Builds hassim and runs all its tests; installs what is missing first. One of the README's two commands.
#
#     sh tests/run.sh [ctest arguments]
set -eu
cd "$(dirname "$0")/.."

sh .ci/packages.sh build figures test

cmake -S . -B build -DHASSIM_TESTS=ON >/dev/null
cmake --build build --parallel "$(nproc)"
ctest --test-dir build --output-on-failure --parallel "$(nproc)" "$@"
