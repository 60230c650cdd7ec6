"""Connectors without a container runtime: an image runs as the Python package of the same name."""
