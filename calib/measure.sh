#!/bin/sh
# Builds hassim-calibrate and measures the GPU that is here. Needs the CUDA toolkit (11.4 or later; green contexts 12.4),
# CMake 3.22 and gcc, nothing else.
#
#     sh calib/measure.sh [-o FILE] [any option of hassim-calibrate]
#
# The default is the essential set in 480 seconds, into GPU.json in the present folder. The same command again goes on where
# the last one stopped. MEASURE_BUILD names the build folder (default: build-calibrate in the repository).
set -eu
root=$(cd "$(dirname "$0")" && pwd)
build=${MEASURE_BUILD:-$root/../build-calibrate}

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "measure.sh: found no $1, expected $2" >&2; exit 2; }
}
need cmake "CMake 3.22 or later"
need cc "a C compiler"

# Machine code for the GPU that is here, so that loading compiles nothing; where nvidia-smi cannot say, the default.
cc=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -dc '0-9' || true)
# shellcheck disable=SC2086 # one argument or none
cmake -S "$root/harness" -B "$build" ${cc:+-DCMAKE_CUDA_ARCHITECTURES=$cc} >/dev/null
cmake --build "$build" --parallel 2>&1 | grep -v '^\[' || true
[ -x "$build/hassim-calibrate" ] || { echo "measure.sh: the build failed: cmake --build $build" >&2; exit 1; }

case " $* " in
*" -o"* | *" --output"* | *" --dry-run"* | *" --help"* | *" -? "*) ;;
*) set -- -o GPU.json "$@" ;;
esac
case " $* " in
*" --budget-s"*) ;;
*) set -- --budget-s 480 "$@" ;;
esac
exec "$build/hassim-calibrate" "$@"
