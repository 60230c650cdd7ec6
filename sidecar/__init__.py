"""Run beside the connector in every task pod: rows to Bulker; states, logs, status and results to Postgres.

A record's bytes pass five modules: source/pipes -> source/lines -> source/decoding -> read/stream -> bulker/upload.
read/checkpoints decides which state may be saved when, read/outcome how the run ended. Imports
common.{errors,failures,nesting,protocol,store} only.
"""
