#!/bin/sh
# Runs every experiment that feeds the evaluation's figures, and draws them: about a minute on two cores. A config
# describes one experiment, so this script is what runs paper.json with its companions. Needs the program in build/
# (sh experiments/quickstart.sh makes it) or in $HASSIM.
#
#     sh experiments/paper.sh [FORMATS]     svg,png by default
#
# Tables go to out/paper/NAME.txt, figures to out/paper/NAME, databases to results/.
set -eu
cd "$(dirname "$0")/.."
hassim=${HASSIM:-build/hassim}
formats=${1:-svg,png}
[ -x "$hassim" ] || { echo "paper.sh: found no $hassim; sh experiments/quickstart.sh builds it" >&2; exit 1; }
mkdir -p out/paper results

sh experiments/testbed_trace.sh

# experiment NAME FIGURE...
experiment() {
    name=$1
    shift
    echo "$name:" >&2
    $hassim run "experiments/$name.json" -o "results/$name.db" --force --progress never \
        >"out/paper/$name.txt" 2>"out/paper/$name.log" || { cat "out/paper/$name.log" >&2; exit 1; }
    grep '^warning: ' "out/paper/$name.log" >&2 || true
    for figure; do $hassim figures "results/$name.db" --only "$figure" --out "out/paper/$name" --format "$formats"; done
}
experiment paper cost_ratio cost_violation tail_latency fragmentation
experiment paper_stress cost_ratio cost_violation tail_latency fragmentation
experiment slo_sweep violation_slo
experiment ablation ablation cost_violation
experiment fragmentation fragmentation latency_surface
experiment pareto pareto
echo
cat out/paper/paper.txt
