"""Read what the connector prints: chunks of the pipes, whole lines, messages of the protocol, its log lines."""
