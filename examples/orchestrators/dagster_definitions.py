"""Dagster: a declared sync as an asset. Needs run_sync.py beside it: `dagster dev -f dagster_definitions.py`.

SYNCCTL_URL and SYNCCTL_TOKEN are variables of the process that runs it. Terminating a run cancels the task.
"""

from dagster import AssetExecutionContext, Backoff, Definitions, MaterializeResult, RetryPolicy, asset
from run_sync import Deployment


@asset(retry_policy=RetryPolicy(max_retries=2, delay=300, backoff=Backoff.EXPONENTIAL))
def orders(context: AssetExecutionContext) -> MaterializeResult:
    """The tables that the sync `orders` fills. Its taskId is the run's own, one for each try."""
    task = Deployment.from_environment().run("orders", f"dagster-{context.run_id}-{context.retry_number}")
    rows = {name: stream["stored"] for name, stream in task["streams"].items()}
    return MaterializeResult(metadata={"rows": sum(rows.values()), "task": task["taskId"]})


definitions = Definitions(assets=[orders])
