"""Postgres from a wheel: its programs, the data folder and the server."""
