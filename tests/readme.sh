#!/bin/sh
# README shows what the program prints: the quick start's table and the config reference.
#
#     sh tests/readme.sh HASSIM            compares
#     sh tests/readme.sh HASSIM --update   writes them into README.md
set -eu
hassim=$(realpath "$1")
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/experiments" "$tmp/out"
cp experiments/quickstart.json "$tmp/experiments"

"$hassim" trace generate --functions 12 --minutes 60 --mean-rps 60 --seed 1 -o "$tmp/out/quickstart-trace" >/dev/null
{
    echo '```'
    "$hassim" run "$tmp/experiments/quickstart.json" -o "$tmp/quickstart.db" --progress never 2>/dev/null |
        grep -v '^results: '
    echo '```'
} >"$tmp/table"
"$hassim" run --config-help >"$tmp/reference"

# the README with what stands between the markers replaced
awk -v table="$tmp/table" -v reference="$tmp/reference" '
    function put(file,   line) { while ((getline line < file) > 0) print line }
    /^<!-- \/(quickstart table|config reference) -->$/ { skipping = 0 }
    !skipping { print }
    /^<!-- quickstart table -->$/ { put(table); skipping = 1 }
    /^<!-- config reference -->$/ { put(reference); skipping = 1 }
' README.md >"$tmp/README.md"

if [ "${2:-}" = --update ]; then
    cp "$tmp/README.md" README.md
elif ! diff README.md "$tmp/README.md"; then
    echo "README.md differs from what the program prints: sh tests/readme.sh HASSIM --update"
    exit 1
fi
