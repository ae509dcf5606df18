#!/bin/sh
# Every command and every long option is in the man page and in bash's completion. What there is comes from the
# sources: main.c's table, and the tables of options in cli_*.c.
#
#     sh tests/docs.sh BUILD_FOLDER
set -eu
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
page=$build/hassim.1
bad=0

complain() {
    echo "$*" >&2
    bad=1
}

commands=$(sed -n 's/^    {"\([a-z]*\)", cli_[a-z]*,.*/\1/p' sim/main.c)
[ "$(echo "$commands" | wc -l)" -ge 7 ] || complain "expected main.c's table of commands, found: $commands"
for command in $commands; do
    grep -q "^\.SS \"hassim $command" "$page" || complain "$page lacks the command $command"
done

# The long options of a command, from the tables in its files
options_of() {
    cat "sim/cli_$1.c" sim/cli_"$1"_*.c 2>/dev/null |
        sed -n "s/^    {\"\([a-z][a-z-]*\)\", \('.'\|KEY_[A-Z_]*\),.*/\1/p" | sort -u
}

count=0
for command in $commands; do
    section=$(awk -v c="hassim $command" '/^\.S[SH]/ { on = index($0, c) > 0 } on' "$page" | sed 's/\\-/-/g')
    for option in $(options_of "$command"); do
        count=$((count + 1))
        echo "$section" | grep -q -- "  --$option\>\|, --$option\>" || complain "$page lacks --$option of $command"
    done
done
[ $count -ge 30 ] || complain "expected tables of options in cli_*.c, found $count options"
if command -v groff >/dev/null; then
    warnings=$(groff -man -ww -z "$page" 2>&1 | grep -v 'locale' || true)
    [ -z "$warnings" ] || complain "groff on $page: $warnings"
fi

# What bash offers after the words, the last one being begun
offer() {
    PATH=$build:$PATH bash -c 'source sim/hassim.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hassim
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@" 2>/dev/null
}

offered=$(offer hassim '')
for command in $commands; do
    echo "$offered" | grep -qx "$command" || complain "completion lacks the command $command"
done
for command in $commands; do
    offered=$(offer hassim "$command" --
        for verb in $(offer hassim "$command" ''); do offer hassim "$command" "$verb" --; done)
    for option in $(options_of "$command"); do
        echo "$offered" | grep -qx -- "--$option=\{0,1\}" || complain "completion lacks --$option of $command"
    done
done
offer hassim policy test f | grep -qx fixed || complain "completion does not offer the policy fixed"
offer hassim run --progress al | grep -qx always || complain "completion does not offer --progress always"

[ $bad -eq 0 ] && echo "man page and completion: $(echo "$commands" | wc -l) commands, $count options"
exit $bad
