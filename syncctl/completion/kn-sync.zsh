#compdef kn-sync

_kn_sync_words() {
    eval "$(env _TYPER_COMPLETE_ARGS="$1" _KN_SYNC_COMPLETE=complete_zsh kn-sync 2>/dev/null)"
}

_kn_sync_completion() {
    _kn_sync_words "${words[1,$CURRENT]}"
}

# kn knows no words of its plugins: these are added to its own completion, which has to be loaded before.
_kn_with_sync_completion() {
    if [[ ${words[2]} == sync && $CURRENT -gt 2 ]]; then
        _kn_sync_words "kn-sync ${words[3,$CURRENT]}"
    elif (( $+functions[_kn] )); then
        _kn "$@"
    fi
}

compdef _kn_sync_completion kn-sync
compdef _kn_with_sync_completion kn
