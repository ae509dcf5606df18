#!/bin/sh
# Each public header compiles on its own, as C17 and as C++17.
set -eu
cd "$(dirname "$0")/.."
paths="-Isim -Itraces -Icalib -Icalib/harness -Irapp -Ipolicies $(pkg-config --cflags libcjson sqlite3 gsl)"
for header in sim/*.h traces/*.h calib/*.h calib/harness/harness_*.h rapp/*.h policies/*.h; do
    case $header in *_int.h) continue ;; esac
    for language in "gcc -x c -std=c17" "clang -x c -std=c17" "g++ -x c++ -std=c++17"; do
        # shellcheck disable=SC2086 # words are meant to be split
        echo "#include \"$(basename "$header")\"" | $language -D_DEFAULT_SOURCE -Wall -Wextra -Wpedantic -Werror \
            $paths -fsyntax-only - || { echo "$header does not compile alone with: $language"; exit 1; }
    done
done
echo "public headers: each compiles alone"
