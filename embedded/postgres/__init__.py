"""Postgres from a wheel: where its programs can be run from, and the server they run."""
