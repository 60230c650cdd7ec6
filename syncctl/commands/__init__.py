"""The commands, one module per group: they read options and inputs, ask the API, and show what comes."""
