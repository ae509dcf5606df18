#!/bin/sh
# Writes hassim's man page to standard output: a template, and in it what each command's --help prints.
#
#     sh manpage.sh PROGRAM TEMPLATE
set -eu
program=$1
template=$2
export ARGP_HELP_FMT=rmargin=70

verbs() {
    "$program" "$@" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'
}

# As roff takes it: no escapes, no macros at the beginning of a line
escape() {
    sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\([.']\)/\\\\\&\1/" -e 's/ *$//'
}

section() {
    help=$("$program" "$@" --help)
    printf '.SS "%s"\n.nf\n' "$(echo "$help" | sed -n '1s/^Usage: //p' | escape)"
    echo "$help" | sed -e 1d -e '/^Mandatory or optional arguments/,/^for any/d' | escape | cat -s
    echo .fi
}

sed -e "s/@VERSION@/$("$program" --version | sed 's/^hassim //')/" -e '/@COMMANDS@/,$d' "$template"
for command in $(verbs); do
    names=$(verbs "$command")
    if [ -z "$names" ]; then section "$command"; fi
    for verb in $names; do section "$command" "$verb"; done
done
sed '1,/@COMMANDS@/d' "$template"
