"""Postgres: queries.sql and its loader, transactions, and the rows we read and write.

The tables of docs/reference/contract.md B belong to the caller's side; ours are prefixed `syncctl_`.
"""

from common.store.database import Database, StoreError
from common.store.outcomes import Outcome
from common.store.tasks import Task, TaskRow, TaskState

__all__ = ["Database", "Outcome", "StoreError", "Task", "TaskRow", "TaskState"]
