"""A stand-in for Airflow's module of this name: see ../README.md."""

from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar


class BaseOperator:
    """An operator; Airflow calls `execute`, and `on_kill` when the task is to end."""

    def __init__(self, *, task_id: str, execution_timeout: timedelta | None = None) -> None:
        self.task_id, self.execution_timeout = task_id, execution_timeout
        DAG.operators.append(self)


class DAG:
    """A DAG; operators that are made inside belong to it."""

    operators: ClassVar[list[BaseOperator]] = []

    def __init__(
        self,
        *,
        dag_id: str,
        schedule: str,
        start_date: datetime,
        catchup: bool,
        max_active_runs: int,
        default_args: Any,
    ) -> None:
        self.given = (dag_id, schedule, start_date, catchup, max_active_runs, default_args)

    def __enter__(self) -> "DAG":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
