# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# bash completion of quoin. Verbs and options are those that `quoin --help` tells, asked once a shell; so
# nothing here has to follow the program.

# The words at the start of the help's lines that are indented by two blanks.
_quoin_verbs() {
    [ -n "${_quoin_verb_lines-}" ] ||
        _quoin_verb_lines=$("$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z -]*[a-z]\).*/\1/p')
    printf '%s\n' "$_quoin_verb_lines"
}

_quoin_options() {
    "$@" --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,'
}

_quoin() {
    local word=$2 before=$3 verb='' i
    local words=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -*) ;;
        *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    case $before in
    -o | --output) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$word") && return ;;
    -f | --file | --password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    --state) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    esac
    verb=${words[*]:0:2}
    _quoin_verbs "$1" | grep -qxF -- "$verb" || verb=${words[0]-}
    case $word in
    -*)
        # shellcheck disable=SC2086 # a verb is one word or two
        mapfile -t COMPREPLY < <(compgen -W "$(_quoin_options "$1" $verb)" -- "$word")
        ;;
    *)
        if [ ${#words[@]} = 0 ]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_quoin_verbs "$1" | cut -d' ' -f1 | sort -u)" -- "$word")
        elif [ ${#words[@]} = 1 ] && _quoin_verbs "$1" | grep -q "^${words[0]} "; then
            mapfile -t COMPREPLY < <(compgen -W "$(_quoin_verbs "$1" | sed -n "s/^${words[0]} //p")" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        ;;
    esac
}

complete -F _quoin quoin
