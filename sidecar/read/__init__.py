"""Take a read from its messages to its outcome: streams, states, traces, and when a state may be saved."""
