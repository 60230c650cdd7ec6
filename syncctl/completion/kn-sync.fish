function __kn_sync_complete
    set -l line (string replace --regex '^\s*kn\s+sync\b' kn-sync -- (commandline -cp))
    env _KN_SYNC_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] _TYPER_COMPLETE_ARGS=$line kn-sync 2>/dev/null
end
complete --command kn-sync --no-files --arguments "(__kn_sync_complete get-args)" --condition "__kn_sync_complete is-args"
complete --command kn --no-files --arguments "(__kn_sync_complete get-args)" --condition "string match --quiet --regex '^\s*kn\s+sync\s' -- (commandline -cp)"
