"""Postgres: queries.sql and its loader, transactions, and rows as frozen objects.

The tables of docs/reference/contract.md B belong to the caller; the project's own are prefixed `syncctl_`.
"""

from common.store.database import Database, StoreError
from common.store.outcomes import Outcome
from common.store.tasks import Task, TaskRow, TaskState

__all__ = ["Database", "Outcome", "StoreError", "Task", "TaskRow", "TaskState"]
