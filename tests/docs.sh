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

options=$(sed -n "s/^    {\"\([a-z][a-z-]*\)\", \('.'\|KEY_[A-Z_]*\),.*/\1/p" sim/cli_*.c | sort -u)
[ "$(echo "$options" | wc -l)" -ge 20 ] || complain "expected tables of options in cli_*.c, found: $options"
for option in $options; do
    roff=$(echo "$option" | sed 's/-/\\\\-/g')
    grep -q -- "\\\\-\\\\-$roff\>" "$page" || complain "$page lacks the option --$option"
done
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
offered=$(
    for command in $commands; do
        offer hassim "$command" --
        for verb in $(offer hassim "$command" ''); do offer hassim "$command" "$verb" --; done
    done
)
for option in $options; do
    echo "$offered" | grep -qx -- "--$option=\{0,1\}" || complain "completion lacks the option --$option"
done
offer hassim policy test f | grep -qx fixed || complain "completion does not offer the policy fixed"
offer hassim run --progress al | grep -qx always || complain "completion does not offer --progress always"

[ $bad -eq 0 ] && echo "man page and completion: $(echo "$commands" | wc -l) commands, $(echo "$options" | wc -l) options"
exit $bad
