"""Months in half an hour: mixed tasks on the embedded edition, while its parts are killed.

`make soak` runs it. At the end: what each part takes of memory, files, threads and processes, and what of that grows
with the tasks; whether each task ended, and whether each row of a successful read is in the warehouse.
"""
