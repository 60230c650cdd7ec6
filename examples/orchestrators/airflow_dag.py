"""Airflow: an operator that runs a declared sync, and a DAG that runs one each hour. Needs run_sync.py beside it.

SYNCCTL_URL and SYNCCTL_TOKEN are the worker's variables. Tried with Airflow 3 and its module airflow.sdk.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator
from run_sync import Deployment


class SyncOperator(BaseOperator):
    """Run a declared sync to its end. Its taskId is the task instance's own, one for each try."""

    template_fields = ("sync",)

    def __init__(self, *, sync: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.sync = sync
        self._task_id_there = ""

    def execute(self, context: Any) -> Any:
        """Start and poll; a try that lost its worker is another one, and gets a 409 until the first has ended."""
        instance = context["ti"]
        self._task_id_there = f"{instance.dag_id}.{instance.task_id}.{instance.run_id}.{instance.try_number}"
        return Deployment.from_environment().run(self.sync, self._task_id_there)["streams"]

    def on_kill(self) -> None:
        """End the task when somebody ends this one, or its time is over."""
        if self._task_id_there:
            Deployment.from_environment().cancel(self._task_id_there)


with DAG(
    dag_id="orders",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
):
    SyncOperator(task_id="read_orders", sync="orders", execution_timeout=timedelta(hours=6))
