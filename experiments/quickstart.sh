#!/bin/sh
# The quick start: installs what is missing, builds, generates a trace, runs the experiment of
# quickstart.json, prints the comparison, and draws its figures.
set -eu

cd "$(dirname "$0")/.."
sh .ci/packages.sh build figures

echo "Building (a minute or so the first time)..." >&2
mkdir -p build out
if ! { cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DHASSIM_TESTS=OFF &&
    cmake --build build --target hassim -j "$(getconf _NPROCESSORS_ONLN)"; } >build/quickstart.log 2>&1; then
    cat build/quickstart.log >&2
    echo "quickstart: the build failed (see above)" >&2
    exit 1
fi

hassim=build/hassim
trace=out/quickstart-trace
results=results/quickstart.db

$hassim trace generate --functions 12 --minutes 60 --mean-rps 60 --seed 1 -o $trace
$hassim run experiments/quickstart.json -o $results --force
echo
for figure in cost_violation timeline; do
    $hassim figures $results --out out/quickstart-figures --only $figure
done
