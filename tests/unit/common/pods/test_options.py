"""What a sync asks for its task pods."""

from common.pods import options
from common.pods.options import Options
from common.syncs.model import Spec


def spec(**given: object) -> Spec:
    return Spec.model_validate({"image": "airbyte/source-faker:7.2.1", **given})


def test_a_plain_sync_asks_for_nothing() -> None:
    """Without any of these fields the settings decide."""
    assert options.of_sync(spec(config={"count": 1})) == Options()


def test_each_field_of_the_document_arrives() -> None:
    """Wire-shaped, as a pod's manifest has them."""
    key = {"valueFrom": {"secretKeyRef": {"name": "credentials-shop", "key": "proxy"}}}
    toleration = {"key": "spot", "operator": "Exists", "tolerationSeconds": 60}
    given = {
        "resources": {"limits": {"memory": "4Gi", "cpu": 2}, "requests": {"memory": "1Gi"}},
        "env": [{"name": "TZ", "value": "UTC"}, {"name": "PROXY", **key}],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [toleration],
        "retries": 0,
        "timeoutHours": 3,
        "stallTimeoutSeconds": 0,
    }
    assert options.of_sync(spec(**given)) == Options(
        resources={"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"memory": "1Gi"}},
        env=({"name": "TZ", "value": "UTC"}, {"name": "PROXY", **key}),
        node_selector={"disk": "ssd"},
        tolerations=(toleration,),
        retries=0,
        timeout_hours=3,
        stall_timeout_seconds=0,
    )
