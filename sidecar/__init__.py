"""Runs beside the connector in every task pod: rows to Bulker, states, logs and the outcome to Postgres.

The data path, one module per arrow: pipes -> lines -> messages -> streams -> bulker. checkpoints decides which
state may be saved when, outcome what the run came to. Imports common.{errors,failures,nesting,protocol,store} only.
"""
