#!/bin/sh
# From nothing to a policy of one's own in an experiment, by the commands that hassim prints.
#
#     sh tests/policy_new.sh BUILD_FOLDER
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
hassim=$build/hassim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
    echo "policy_new.sh: $*" >&2
    exit 1
}

# the cc line is for a user's shell, without the flags of a sanitizer that the program may have been built with
mkdir "with space"
"$hassim" policy new my-own -o "with space" >said
line=$(grep '^  cc ' said) || fail "no cc line in: $(cat said)"
sh -c "$line -Werror" || fail "cannot be built by: $line"
! grep -q fixed "with space/my-own.c" || fail "the template's name is left in the copy"
"$hassim" policy test -n 10 "with space/my-own.so" || fail "the new policy fails the suite"
"$hassim" policy list my-own --plugin "with space/my-own.so" | grep -q '^my-own: ' || fail "is not listed"

if "$hassim" policy new my-own -o "with space" 2>said; then fail "has written over a policy"; fi
grep -q 'found a file of that name' said || fail "said: $(cat said)"
for name in has Mine 1st a/b ../a '' "$(printf 'a%.0s' $(seq 50))"; do
    if "$hassim" policy new "$name" 2>said; then fail "took the name '$name'"; fi
    [ "$(wc -l <said)" -eq 1 ] || fail "said more than a line: $(cat said)"
done

cat >mine.json <<'JSON'
{"name": "mine", "duration_s": 60, "seeds": 2,
 "cluster": {"gpus": [{"device": "v100-16gb", "nodes": 4}]},
 "functions": [{"name": "classify", "model": "resnet50", "trace": {"mean_rps": 10}}],
 "policies": [{"name": "my-own", "params": {"pods": 2}}, {"name": "fixed", "params": {"pods": 2}}]}
JSON
"$hassim" run mine.json --plugin "with space/my-own.so" >table || fail "does not run"
grep -q my-own table || fail "is not in the table: $(cat table)"
same=$(sqlite3 results/mine.db "SELECT count(DISTINCT result_hash) FROM run WHERE seed = 1")
[ "$same" -eq 1 ] || fail "is not the same as what it was copied from"
if "$hassim" run mine.json -o none.db 2>said; then fail "ran without its plug-in"; fi
[ ! -e none.db ] || fail "wrote a database in spite of a bad config"

# pkg-config: from the build folder, and as installed
flags=$(PKG_CONFIG_PATH=$build pkg-config --cflags hassim) || fail "pkg-config does not find the build folder"
sh -c "cc -std=c17 -fPIC -shared $flags -o one.so 'with space/my-own.c' -lm" || fail "cannot be built with $flags"
cmake --install "$build" --prefix "$work/installed" >/dev/null
flags=$(PKG_CONFIG_PATH=$work/installed/share/pkgconfig pkg-config --define-prefix --cflags hassim)
case $flags in *"$source"*) fail "the installed pkg-config file points to the source tree" ;; esac
sh -c "cc -std=c17 -fPIC -shared $flags -o two.so 'with space/my-own.c' -lm" || fail "cannot be built with $flags"
"$hassim" policy list my-own --plugin ./one.so >/dev/null
"$hassim" policy list my-own --plugin ./two.so >/dev/null
echo "policy new: written, built, tested, listed, run, and built against what is installed"
