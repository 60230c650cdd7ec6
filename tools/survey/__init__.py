"""Which published connectors run on one machine: each is installed, and asked for its specification and a check."""
