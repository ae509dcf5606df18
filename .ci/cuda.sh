#!/bin/sh
# hassim-calibrate compiles for every architecture from sm_70 to sm_90 that this CUDA toolkit knows (CUDA 13 knows no sm_70
# and sm_72 any more). Does nothing where there is no nvcc.
set -eu
cd "$(dirname "$0")/.."
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
if ! [ -x "$nvcc" ]; then
    echo "CUDA: no nvcc, hassim-calibrate is not compiled"
    exit 0
fi
archs=$("$nvcc" --list-gpu-arch | sed -n 's/^compute_\([789][0-9]\)$/\1/p' | awk '$1 >= 70 && $1 <= 90' | sort -n)
[ -n "$archs" ] || { echo "CUDA: nvcc names no architecture from 70 to 90"; exit 1; }
for lost in 70 72; do
    echo "$archs" | grep -qx $lost || echo "CUDA: this toolkit no longer compiles for sm_$lost"
done
list=$(for a in $archs; do printf '%s-real;' "$a"; done)
dir=build-cuda
cmake -S calib/harness -B $dir -DCMAKE_C_FLAGS="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror" \
    -DCMAKE_CUDA_FLAGS="--Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror" \
    -DCMAKE_CUDA_ARCHITECTURES="${list%;}" >/dev/null
sh .ci/build.sh $dir
# shellcheck disable=SC2086 # one line
echo "CUDA: hassim-calibrate compiles for" $archs
# Without a GPU it says so in one line, and writes nothing; the plan needs none.
$dir/hassim-calibrate --dry-run --assume 132,8 --budget-s 480 | tail -n 1
