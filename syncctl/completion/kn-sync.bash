_kn_sync_words() {
    # The words of a line, cut at blanks alone: bash itself cuts at the colon of an image, too.
    local line=$1 IFS=$' \t\n'
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current=${words[-1]}
    IFS=$'\n'
    COMPREPLY=($(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _KN_SYNC_COMPLETE=complete_bash kn-sync 2>/dev/null))
    # Readline replaces what stands behind the last colon alone.
    [[ $current == *:* && $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    return 0
}

_kn_sync_completion() {
    _kn_sync_words "${COMP_LINE:0:COMP_POINT}"
}

# kn knows no words of its plugins: these are added to its own completion, which has to be loaded before.
_kn_with_sync_completion() {
    local line=${COMP_LINE:0:COMP_POINT}
    if [[ ${COMP_WORDS[1]} == sync && $COMP_CWORD -gt 1 ]]; then
        _kn_sync_words "kn-sync${line#*[[:space:]]sync}"
        return
    fi
    declare -F __start_kn >/dev/null && __start_kn "$@"
    [[ $COMP_CWORD -eq 1 && sync == "${COMP_WORDS[1]}"* ]] && COMPREPLY+=(sync)
    return 0
}

complete -o default -F _kn_sync_completion kn-sync
complete -o default -F _kn_with_sync_completion kn
