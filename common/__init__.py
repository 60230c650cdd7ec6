"""What functions, sidecar and embedded edition share."""

VERSION = "0.1.0"
"""The project's version: the package's (pyproject.toml reads it here) and its images' tag."""

DATABASE_SCHEMA = "syncctl"
"""Where our own tables are, unless SYNCCTL_DATABASE_SCHEMA names another schema."""
