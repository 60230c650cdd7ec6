"""Declared syncs as files: `NAME.yaml`, as a person writes them, and beside them what only the edition writes."""
