function __syncctl_complete
    env _SYNCCTL_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] _TYPER_COMPLETE_ARGS=(commandline -cp) syncctl 2>/dev/null
end
complete --command syncctl --no-files --arguments "(__syncctl_complete get-args)" --condition "__syncctl_complete is-args"
