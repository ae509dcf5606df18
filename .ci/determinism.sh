#!/bin/sh
# Same inputs, same bits: builds hassim with gcc and clang at -O0 and -O3, all warnings as errors, runs
# tests/determinism.json with each in both engines, and compares the hashes of the results.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

for compiler in gcc clang; do
    for level in 0 3; do
        build=build-$compiler-O$level
        cmake -S . -B "$build" -DCMAKE_C_COMPILER=$compiler -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O$level \
            -DHASSIM_WERROR=ON >/dev/null
        sh .ci/build.sh "$build" hassim
        for engine in islands global; do
            db=$out/$compiler-$level-$engine.db
            "$build/hassim" run tests/determinism.json -o "$db" --set engine=$engine --progress never >/dev/null
            sqlite3 "$db" 'SELECT label, seed, grid, result_hash FROM run ORDER BY label, seed, grid' >"$db.txt"
            cmp "$out/gcc-0-islands.db.txt" "$db.txt" || {
                diff "$out/gcc-0-islands.db.txt" "$db.txt"
                echo "results of $compiler -O$level, engine $engine, differ from gcc -O0, islands"
                exit 1
            }
        done
    done
done
[ "$(wc -l <"$out/gcc-0-islands.db.txt")" -eq 12 ] || { echo "expected 12 runs"; exit 1; }
echo "determinism: gcc and clang, -O0 and -O3, islands and global: the same 12 result hashes"
