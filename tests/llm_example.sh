#!/bin/sh
# The example of traces/README.md: an LLM's requests, with work proportional to tokens and with equal work. The same
# arrivals, the same mean work; uneven work must cost SLO violations.
#
#     sh tests/llm_example.sh BUILD_FOLDER
set -eu
cd "$(dirname "$0")/.."
hassim=$(cd "$1" && pwd)/hassim
real=$PWD/../shared/data/traces/azure-llm2023/AzureLLMInferenceTrace_conv.csv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk '/^```/ { on = 0 } on { print } /^```json/ { getline; on = 1; first = $0; getline
    on = $0 ~ /"name": "llm"/; if (on) print first "\n" $0 }' traces/README.md >"$work/llm.json"
[ -s "$work/llm.json" ] || { echo "traces/README.md: found no example named llm" >&2; exit 1; }
if [ -r "$real" ]; then
    ln -s "$real" "$work/AzureLLMInferenceTrace_conv.csv"
else
    echo "$real is not here: made-up requests instead"
    awk 'BEGIN { print "TIMESTAMP,ContextTokens,GeneratedTokens"
        for (i = 0; i < 19000; i++) printf "2023-11-16 18:%02d:%09.6f,%d,%d\n", int(i / 400), i % 400 * 0.149,
            i % 7 ? 300 : 6000, i * 37 % 11 ? 60 : 900 }' >"$work/AzureLLMInferenceTrace_conv.csv"
fi
cd "$work"
"$hassim" run llm.json -o llm.db --seeds 2 --progress never >table 2>log || { cat log >&2; exit 1; }

# violations of has at each of the two grid points, which the table has in this order
awk '/^grid point/ { work = /sizes/ ? "sizes" : "equal" }
    /^SLO violations/ && !(work in pct) { pct[work] = $6 }
    END { print "SLO violations of has, %: equal " pct["equal"] ", sizes " pct["sizes"]
          exit !(pct["sizes"] > 1.5 * pct["equal"] && pct["sizes"] < 100) }' table || { cat table >&2; exit 1; }
