_syncctl_words() {
    # The words of a line, cut at blanks alone: bash itself cuts at the colon of an image, too.
    local line=$1 program=$2 variable=$3 IFS=$' \t\n'
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current=${words[-1]}
    IFS=$'\n'
    COMPREPLY=($(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) "$variable"=complete_bash "$program" 2>/dev/null))
    # Readline replaces what stands behind the last colon alone.
    [[ $current == *:* && $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    return 0
}

_syncctl_completion() {
    _syncctl_words "${COMP_LINE:0:COMP_POINT}" syncctl _SYNCCTL_COMPLETE
}

complete -o default -F _syncctl_completion syncctl
