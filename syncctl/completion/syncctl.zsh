#compdef syncctl

_syncctl_completion() {
    eval "$(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _SYNCCTL_COMPLETE=complete_zsh syncctl 2>/dev/null)"
}

compdef _syncctl_completion syncctl
