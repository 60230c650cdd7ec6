"""Programs that measure, and print ratios: `python -m bench [NAME ...]`.

Each prints a table, writes its figures to bench/results/NAME.json with a plot beside it, and ends with a line
per goal: `goal NAME measured M wanted W`. Ceilings are measured in the same run: absolute numbers drift.
"""
