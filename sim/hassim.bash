# Completion of hassim's command line for bash. Commands, verbs and options are read from --help, so that they are
# always those of the program that is called; here stands only what an option or an argument takes.

# The verbs of a help page: its indented words, or what its usage line ends with ("replay", "a|b")
_hassim_verbs() {
    "$@" --help 2>/dev/null | sed -n -e 's/^  \([a-z][a-z-]*\) .*/\1/p' -e 's/^Usage: .*\] \([a-z|]*\)$/\1/p' | tr '|' '\n'
}

_hassim_options() {
    "$@" --help 2>/dev/null | sed -n 's/^ *\(-[a-zA-Z], \)\{0,1\}\(--[a-z][a-z-]*=\{0,1\}\).*/\2/p'
}

_hassim_files() { # by pattern, and the folders on the way
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -X "!$1" -- "$word"; compgen -d -- "$word")
}

_hassim_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")
}

_hassim_policies() {
    _hassim_words "$("${call[0]}" policy list 2>/dev/null | sed -n 's/^\([a-z][A-Za-z0-9_.-]*\): .*/\1/p')"
}

# What the option before the word takes; 1: it takes nothing, or is none
_hassim_value() {
    case "${call[1]} $1" in
    "run --plugin" | "policy --plugin") _hassim_files '*.so' ;;
    "run --progress") _hassim_words "auto always never" ;;
    "run -o" | "run --output" | "calib -o" | "calib --output" | "trace -o" | "trace --output") _hassim_files '*' ;;
    "figures --format" | "figures -f" | "validate --format" | "validate -f") _hassim_words "svg png pdf svg,png svg,png,pdf" ;;
    "validate --mode") _hassim_words "replay policy" ;;
    "validate --params") _hassim_files '*.json' ;;
    "validate --figures" | "figures -o" | "figures --out" | "policy -o" | "policy --output")
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        ;;
    "trace --format" | "trace -f") _hassim_words "azure2019 azure2021 azure-llm2023 azure-llm2024 invitro seconds csv packed" ;;
    "rapp --by") _hassim_words "config model" ;;
    "rapp --kind" | "rapp -k") _hassim_words "$("${call[0]}" rapp --help 2>/dev/null | sed -n 's/^    \([a-z]*\) .*/\1/p')" ;;
    "rapp -o" | "rapp --output") _hassim_files '*' ;;
    "rapp --data" | "rapp -d")
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        ;;
    "calib --format" | "calib -f")
        case ${call[2]-} in
        import) _hassim_words "plain rapp parvagpu gpu-percent trace" ;;
        figure) _hassim_words "svg png pdf svg,png svg,png,pdf" ;;
        *) _hassim_files '*.json' ;;
        esac
        ;;
    "calib --facts") _hassim_files '*.json' ;;
    "calib --out")
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        ;;
    "bench --engine" | "bench -e") _hassim_words "islands global" ;;
    "bench --policy" | "bench -p") _hassim_policies ;;
    *) return 1 ;;
    esac
}

_hassim_argument() {
    case "${call[*]:1}" in
    run) _hassim_files '*.json' ;;
    "policy list") _hassim_policies ;;
    "policy test")
        _hassim_files '*.so'
        local files=("${COMPREPLY[@]}")
        _hassim_policies
        COMPREPLY+=("${files[@]}")
        ;;
    "calib fit") _hassim_files '*.csv' ;;
    "calib import") _hassim_files '*' ;;
    "rapp eval" | "rapp predict") _hassim_files '*.json' ;;
    calib*) _hassim_files '*.json' ;;
    compare | figures | report) _hassim_files '*.db' ;;
    validate)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        ;;
    trace*) _hassim_files '*' ;;
    esac
}

_hassim() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} call=("${COMP_WORDS[0]}") verbs
    COMPREPLY=()
    if [ "$word" = "=" ]; then word=; elif [ "$before" = "=" ]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
    [ "${COMP_WORDS[COMP_CWORD]}" != "=" ] || before=${COMP_WORDS[COMP_CWORD - 1]}
    if [ "$COMP_CWORD" -eq 1 ]; then
        _hassim_words "$(_hassim_verbs "${call[0]}") --help --version"
        return
    fi
    call+=("${COMP_WORDS[1]}")
    verbs=$(_hassim_verbs "${call[@]}")
    if [ -n "$verbs" ] && [ "$COMP_CWORD" -eq 2 ] && [ "${word#-}" = "$word" ]; then
        _hassim_words "$verbs"
        return
    fi
    [ -z "$verbs" ] || call+=("${COMP_WORDS[2]}")
    _hassim_value "$before" && return
    case $word in
    -*)
        _hassim_words "$(_hassim_options "${call[@]}")"
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
        ;;
    *) _hassim_argument ;;
    esac
}

complete -F _hassim hassim
