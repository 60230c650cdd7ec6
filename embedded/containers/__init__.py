"""Real containers on one machine: a connector's image runs by docker or podman, the rest of its pod as processes."""
