"""Every condition of a pod, as the API tells it, and the sentence that a user reads."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from common.failures import POSTGRES_AWAY_EXIT, FailureKind, FailureOrigin
from common.pods import explain
from common.pods.diagnosis import (
    DRAIN_SECONDS,
    UNHEARD_SECONDS,
    Clock,
    Limits,
    diagnose,
    disruption_of,
)
from common.pods.ends import Verdict
from common.pods.waiting import is_unreported, waits_of
from common.store.waiting import Waits, WaitsFor
from tests.support.wire import as_pod

BORN = "2026-09-21T10:00:00Z"
BEGAN = explain.unix_seconds(BORN, 0)
LIMITS = Limits(init_seconds=180, task_seconds=48 * 3600, silence_seconds=3720)
IMAGE = "airbyte/source-garden:1.4.0"
POD: dict[str, Any] = {
    "metadata": {"name": "source-garden-read-1f", "uid": "6f1c", "creationTimestamp": BORN, "annotations": {}},
    "spec": {
        "nodeName": "node-7",
        "initContainers": [{"name": "init", "image": "sidecar:1", "resources": {"limits": {"memory": "128Mi"}}}],
        "containers": [
            {"name": "source", "image": IMAGE, "resources": {"limits": {"memory": "2Gi", "cpu": "2"}}},
            {"name": "sidecar", "image": "sidecar:1", "resources": {"limits": {"memory": "512Mi", "cpu": "1"}}},
        ],
    },
}
Part = Mapping[str, Any]


def at(seconds: float) -> str:
    """A time stamp so many seconds after the pod was created."""
    minutes, rest = divmod(int(seconds), 60)
    return f"2026-09-21T{10 + minutes // 60:02}:{minutes % 60:02}:{rest:02}Z"


def ended(code: int, reason: str = "", when: float = 300, **more: Any) -> Part:
    """A container's state after its end."""
    reason = reason or ("Error" if code else "Completed")
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": at(8), "finishedAt": at(when), **more}}


def waits(reason: str, message: str = "") -> Part:
    """A container's state before its start."""
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


RUNS: Part = {"running": {"startedAt": at(8)}}
READY = ended(0, when=8)


def pod(
    phase: str, *, init: Part = READY, source: Part | None = None, sidecar: Part | None = None, **status: Any
) -> dict[str, Any]:
    """A pod in that phase, started two seconds after it was created."""
    made = copy.deepcopy(POD)
    containers: dict[str, dict[str, Part | None]] = {
        "initContainerStatuses": {"init": init},
        "containerStatuses": {"source": source, "sidecar": sidecar},
    }
    found = {
        kind: [
            {"name": name, "restartCount": 0, "lastState": {}, "state": state}
            for name, state in states.items()
            if state
        ]
        for kind, states in containers.items()
    }
    made["status"] = {"phase": phase, "startTime": at(2), **found, **status}
    return made


def seen(made: Part, after: float = 310, **clock: Any) -> Verdict:
    """The verdict so many seconds after the pod was created; there has to be one."""
    verdict = diagnose(as_pod(made), Clock(BEGAN + after, **clock), LIMITS)
    assert verdict is not None
    return verdict


def goes_on(made: Part, after: float = 310, **clock: Any) -> bool:
    return diagnose(as_pod(made), Clock(BEGAN + after, **clock), LIMITS) is None


def test_a_clean_end():
    """Whatever the sidecar wrote stands."""
    assert seen(pod("Succeeded", source=ended(0), sidecar=ended(0))).clean_end
    verdict = seen(pod("Failed", source=ended(1), sidecar=ended(0)))
    assert (verdict.clean_end, verdict.failure.policy.origin) == (True, FailureOrigin.SOURCE)
    assert verdict.failure.message == "source ended with exit code 1."


def test_a_healthy_pod_goes_on():
    """Starting, running, draining."""
    creating = waits("PodInitializing")
    assert goes_on(pod("Pending", init=waits("PodInitializing"), source=creating, sidecar=creating), 20)
    assert goes_on(pod("Running", source=RUNS, sidecar=RUNS), 3600)
    assert goes_on(pod("Running", source=ended(0), sidecar=RUNS))
    assert goes_on(pod("Running", source=ended(1), sidecar=RUNS))
    assert goes_on({**POD, "status": {}}, 5)


# What the node or the control plane did (26 to 29, 73).


@pytest.mark.fault(26)
def test_evicted_for_want_of_disk():
    """The node's message, the platform's fault, and that it may be tried again."""
    said = "The node was low on resource: ephemeral-storage. Threshold quantity: 2Gi, available: 1310Mi."
    made = copy.deepcopy(POD) | {"status": {"phase": "Failed", "reason": "Evicted", "message": said}}
    verdict = seen(made)
    assert (verdict.failure.policy.origin, verdict.failure.policy.retry, verdict.clean_end) == (
        FailureOrigin.PLATFORM,
        True,
        False,
    )
    assert verdict.reason.startswith("The platform ended the pod on node node-7 (evicted): The node was low on")
    assert "ephemeral-storage" in verdict.reason
    assert "start the task again" in verdict.reason


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("OutOfmemory", "Pod Node didn't have enough resource: memory, requested: 536870912, used: 1, capacity: 2"),
        ("Terminated", "Pod was terminated in response to imminent node shutdown."),
        ("Preempting", "Preempted in order to admit critical pod"),
        ("UnexpectedAdmissionError", "Pod was rejected: Allocate failed"),
        ("NodeAffinity", ""),
    ],
)
def test_the_node_refuses_or_ends_a_pod(reason: str, said: str):
    """No container ever had a status."""
    verdict = seen({**POD, "status": {"phase": "Failed", "reason": reason, "message": said}})
    assert verdict.failure.policy.retry
    assert reason in verdict.reason
    assert said.rstrip(".") in verdict.reason


def test_failed_without_any_reason():
    """Never success, never still running."""
    verdict = seen({**POD, "status": {"phase": "Failed"}})
    assert verdict.failure.policy.retry
    assert "node node-7 and Kubernetes gave no reason" in verdict.reason


@pytest.mark.parametrize("reason", ["EvictionByEvictionAPI", "PreemptionByScheduler", "DeletionByTaintManager"])
@pytest.mark.fault(28)
def test_disruption_target_is_the_platform_s(reason: str):
    """What the containers' exit codes look like then does not matter."""
    target = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "because of the platform"}
    verdict = seen(pod("Failed", source=ended(143), sidecar=ended(0), conditions=[target]))
    assert verdict.failure.policy.retry
    assert f"DisruptionTarget, {reason}" in verdict.reason
    assert "because of the platform" in verdict.reason


@pytest.mark.fault(27)
def test_a_lost_node():
    """Phase Unknown, reason NodeLost, or a deletion that nobody confirms; never before its time."""
    for made in (pod("Unknown", source=RUNS, sidecar=RUNS), pod("Failed", reason="NodeLost")):
        verdict = seen(made)
        assert verdict.failure.policy.retry
        assert "node-7 of the pod is lost (node lost)" in verdict.reason
    stuck = pod("Running", source=RUNS, sidecar=RUNS)
    stuck["metadata"]["deletionTimestamp"] = at(300)
    assert goes_on(stuck, 310)
    assert goes_on(stuck, 300 + 119)
    assert "node lost" in seen(stuck, 300 + 121).reason


def test_a_pod_that_is_being_deleted_is_left_to_end():
    """Not even an expired time limit interrupts a sidecar that saves what it can."""
    made = pod("Running", source=RUNS, sidecar=RUNS)
    made["metadata"]["deletionTimestamp"] = at(49 * 3600)
    assert diagnose(as_pod(made), Clock(BEGAN + 49 * 3600), Limits(init_seconds=180, task_seconds=3600)) is None


@pytest.mark.fault(29)
def test_deleted_from_outside():
    """Its containers were told to stop: that is no failure of the connector."""
    made = pod("Failed", source=ended(143), sidecar=ended(137))
    made["metadata"]["deletionTimestamp"] = at(305)
    verdict = seen(made)
    assert verdict.failure.kind is FailureKind.DELETED  # somebody wanted it: nothing starts it again
    assert "deleted from outside" in verdict.reason


def test_a_restarted_node_lost_track_of_a_container():
    """ContainerStatusUnknown comes with exit code 137, and is no want of memory."""
    state = ended(137, "ContainerStatusUnknown", message="The container could not be located when the pod was deleted")
    verdict = seen(pod("Failed", source=state, sidecar=ended(0)))
    assert verdict.failure.policy.retry
    assert "node-7 lost track of source" in verdict.reason


def test_the_pod_s_own_deadline():
    """The backstop behind the sweep."""
    verdict = seen(pod("Failed", reason="DeadlineExceeded", message="Pod was active on the node longer than ..."))
    assert "deadline" in verdict.reason


# Memory, signals, exit codes (30, 31, 36).


@pytest.mark.fault(30)
def test_source_out_of_memory():
    """With its limit and what to do; a sidecar that runs accounts for its rows first, and is not waited for longer."""
    oom = ended(137, "OOMKilled")
    assert goes_on(pod("Running", source=oom, sidecar=RUNS), 301)
    for phase, sidecar, after in (
        ("Running", RUNS, 300 + DRAIN_SECONDS + 1),
        ("Failed", ended(0, when=311), 311),
        ("Failed", ended(2, when=299), 311),
    ):
        verdict = seen(pod(phase, source=oom, sidecar=sidecar), after)
        assert verdict.failure.policy.origin is FailureOrigin.SOURCE
        assert verdict.reason == (
            "source ran out of memory at 2Gi; raise SYNCCTL_SOURCE_MEMORY_LIMIT, or give a read fewer streams."
        )
        assert not verdict.clean_end


EVICTION: Part = {"reason": "Evicted", "message": "The node was low on resource: memory."}
DRAIN = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (pod("Failed", source=ended(1, "OOMKilled"), sidecar=ended(0)), ["OOMKilled, with exit code 1"]),
        (pod("Failed", source=ended(143, "OOMKilled"), sidecar=ended(0)), ["OOMKilled, with exit code 143"]),
        (pod("Succeeded", source=ended(0, "OOMKilled"), sidecar=ended(0)), ["OOMKilled, with exit code 0"]),
        (pod("Failed", source=ended(137, "OOMKilled"), sidecar=RUNS, **EVICTION), ["evicted", "low on resource"]),
        (pod("Failed", source=ended(1, "OOMKilled"), conditions=[DRAIN]), ["exit code 1", "drained"]),
        (pod("Failed", source=ended(137, "OOMKilled"), reason="DeadlineExceeded"), ["passed its deadline"]),
        (pod("Unknown", source=ended(137, "OOMKilled"), sidecar=RUNS), ["node node-7", "is lost"]),
        (
            pod("Failed", source=ended(3, message="java.lang.OutOfMemoryError: Java heap space")),
            ["exit code 3", "Java heap"],
        ),
        (pod("Failed", source=ended(137, "OOMKilled", message="worker 3 died")), ["worker 3 died"]),
    ],
)
@pytest.mark.fault(30)
def test_the_better_sign_is_memory_and_the_other_one_is_named(found: Part, words: list[str]):
    """Whatever the exit code, the pod's phase or the pod's own reason says."""
    verdict = seen(found)
    assert verdict.failure.kind is FailureKind.OUT_OF_MEMORY
    assert verdict.reason.startswith("source ran out of memory at 2Gi")
    assert [word for word in words if word not in verdict.reason] == []


@pytest.mark.fault(30)
def test_a_child_that_was_killed_beside_a_source_that_ended_well_changes_no_report():
    """The container's reason is the kernel's word on any process in it."""
    assert seen(pod("Failed", source=ended(0, "OOMKilled"), sidecar=ended(0))).clean_end


@pytest.mark.parametrize("code", [0, 120, 141])
@pytest.mark.fault(31)
def test_sidecar_out_of_memory_is_never_success(code: int):
    """A source that then finds its pipes broken is not to blame."""
    made = pod("Failed", source=ended(code, when=301), sidecar=ended(137, "OOMKilled", when=301))
    verdict = seen(made)
    assert (verdict.failure.policy.origin, verdict.clean_end) == (FailureOrigin.PLATFORM, False)
    assert verdict.reason.startswith("sidecar ran out of memory at 512Mi")


def test_a_killed_sidecar_is_to_blame_for_what_follows():
    """SIGKILL in the same second as the source's broken pipe, or an earlier crash."""
    made = pod("Failed", source=ended(141, when=300), sidecar=ended(137, when=300))
    assert seen(made).failure.message == "sidecar was killed (signal 9; often memory: limit 512Mi)."
    made = pod("Failed", source=ended(1, when=302), sidecar=ended(2, when=300))
    assert (seen(made).failure.message, seen(made).wants_log) == ("sidecar ended with exit code 2.", "sidecar")
    assert "sidecar ended" in seen(pod("Running", source=RUNS, sidecar=ended(0))).reason


def test_a_killed_source_does_not_wait_for_the_task_s_time_out():
    """137 without OOMKilled: the sidecar has its drain time, then it is over."""
    made = pod("Running", source=ended(137), sidecar=RUNS)
    assert goes_on(made, 300 + DRAIN_SECONDS - 1)
    verdict = seen(made, 300 + DRAIN_SECONDS + 1)
    assert verdict.failure.message == "source was killed (signal 9; often memory: limit 2Gi)."


def test_a_sidecar_that_reports_may_take_its_time():
    """A warehouse can need minutes for the last request; silence ends it."""
    made = pod("Running", source=ended(0), sidecar=RUNS)
    assert goes_on(made, 1000, silence=3)
    assert goes_on(made, 300 + DRAIN_SECONDS + 1, silence=3)
    verdict = seen(made, 1000, silence=DRAIN_SECONDS + 1)
    assert "did not finish within 2 min after the source had ended" in verdict.reason
    assert "did not finish" in seen(made, 1000).reason


@pytest.mark.fault(39)
def test_a_source_that_was_killed_before_its_sidecar_heard_it():
    """The sidecar waits for pipes that nobody will open any more; a report from long after the end shows that."""
    made = pod("Running", source=ended(137), sidecar=RUNS)
    verdict = diagnose(as_pod(made), Clock(BEGAN + 300 + UNHEARD_SECONDS + 5, silence=3, heard=False), LIMITS)
    assert verdict is not None
    assert verdict.failure.kind is FailureKind.SOURCE_KILLED
    for after, silence in ((UNHEARD_SECONDS - 1, 3), (UNHEARD_SECONDS + 50, 60)):
        assert diagnose(as_pod(made), Clock(BEGAN + 300 + after, silence=silence, heard=False), LIMITS) is None


def test_an_image_without_a_shell():
    """The runtime's own words; the sidecar would wait for its pipes for ever."""
    message = 'failed to create containerd task: exec: "sh": executable file not found in $PATH: unknown'
    verdict = seen(pod("Running", source=ended(128, "StartError", message=message), sidecar=RUNS), 301)
    assert verdict.failure.policy.origin is FailureOrigin.USER
    assert "source could not be started: StartError" in verdict.reason
    assert "executable file not found" in verdict.reason
    assert "POSIX shell" in verdict.reason


@pytest.mark.fault(36)
def test_init_that_fails():
    """Its log is asked for, in either phase."""
    for phase in ("Pending", "Failed"):
        made = pod(phase, init=ended(1, when=5), source=waits("PodInitializing"), sidecar=waits("PodInitializing"))
        verdict = seen(made, 10)
        assert verdict.failure.message == "init ended with exit code 1."
        assert verdict.wants_log == "init"


# Starting (32 to 35, 75).


def starting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """A pod whose source cannot start, while its sidecar runs already."""
    return pod("Pending", source=waits(reason, message), sidecar=RUNS, **more)


@pytest.mark.fault(32)
def test_a_pull_that_fails_has_a_grace():
    """Registries recover; then the image and the registry's text are named, and what that asks for."""
    said = f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound: {IMAGE}: not found'
    assert goes_on(starting("ErrImagePull", said), 40)
    verdict = seen(starting("ImagePullBackOff", said), 75)
    assert verdict.failure.policy.origin is FailureOrigin.USER
    assert verdict.reason.startswith(f"The image {IMAGE} of source cannot be used: ImagePullBackOff: {said}")
    assert verdict.reason.endswith("check the image's name and tag.")


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("pull access denied, repository requires authorization: 401 Unauthorized", "imagePullSecrets"),
        ("dial tcp: lookup registry.example.com: no such host", "the nodes reach the registry"),
    ],
)
def test_what_a_registry_says_leads_to_advice(said: str, advice: str):
    """Credentials, or the network."""
    assert advice in seen(starting("ErrImagePull", said), 100).reason


def test_the_pull_s_grace_begins_on_the_node():
    """A pod that waited long for a node has not pulled for long."""
    late = starting("ErrImagePull", "busy") | {}
    late["status"]["startTime"] = at(150)
    late["status"]["initContainerStatuses"][0]["state"] = ended(0, when=155)
    assert goes_on(late, 175)
    assert "cannot be used" in seen(late, 155 + 61).reason


@pytest.mark.fault(33)
def test_an_image_name_that_is_none_fails_at_once():
    """Waiting cannot help."""
    said = 'Failed to apply default image tag "Airbyte/Source": couldn\'t parse image name: must be lowercase'
    verdict = seen(starting("InvalidImageName", said), 5)
    assert verdict.failure.policy.origin is FailureOrigin.USER
    assert "InvalidImageName" in verdict.reason
    assert verdict.reason.endswith("check the image's name and tag.")


@pytest.mark.fault(34)
def test_a_missing_secret_names_the_key():
    """The Secret comes a moment after the pod, so it has a grace."""
    said = "couldn't find key DATABASE_URL in Secret sync-tasks/source-garden-read-1f-config"
    made = pod("Pending", source=RUNS, sidecar=waits("CreateContainerConfigError", said))
    assert goes_on(made, 30)
    verdict = seen(made, 80)
    assert verdict.reason.startswith(f"sidecar could not be configured: {said}; ")
    assert verdict.failure.kind is FailureKind.NOT_CONFIGURED  # without its Secret there is nothing to start again with


@pytest.mark.fault(311)
@pytest.mark.parametrize(
    "said", ['secret "credentials-shop" not found', "couldn't find key api-key in Secret sync-tasks/credentials-shop"]
)
def test_a_secret_of_the_users_that_is_missing_is_another_kind(said: str):
    """A variable of the source refers to it; init has seen it a moment before."""
    made = pod("Pending", source=waits("CreateContainerConfigError", said), sidecar=RUNS)
    verdict = seen(made, 80)
    assert (verdict.failure.kind, verdict.failure.policy.retry) == (FailureKind.SECRET_MISSING, False)
    assert f"source could not be configured: {said}; create that key" in verdict.reason


@pytest.mark.fault(311)
def test_what_init_says_is_missing_is_the_reason():
    """Secret and key, at once, and not that a container ended with a number."""
    said = "The Secret credentials-shop does not exist, or has no key api-key.\n"
    made = pod("Failed", init=ended(6, message=said))
    verdict = seen(made, 5)
    assert verdict.failure.kind is FailureKind.SECRET_MISSING
    assert verdict.failure.policy.origin is FailureOrigin.USER
    assert verdict.reason.startswith(
        "The Secret credentials-shop does not exist, or has no key api-key; create that key"
    )
    # The number alone says nothing of another container.
    assert seen(pod("Failed", source=ended(6), sidecar=ended(0)), 5).failure.kind is FailureKind.SOURCE_EXIT


def test_a_container_that_cannot_be_created():
    """The runtime's words, after a grace."""
    made = starting("CreateContainerError", "context deadline exceeded")
    assert goes_on(made, 30)
    assert "source could not be created: CreateContainerError: context deadline exceeded" in seen(made, 80).reason


@pytest.mark.fault(35)
def test_waiting_for_a_node_has_a_limit_of_its_own():
    """Far longer than a start may take, and then the platform's trouble, in the scheduler's words."""
    said = "0/3 nodes are available: 3 Insufficient memory."
    made = _unscheduled({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said})
    assert goes_on(made, LIMITS.node_seconds - 1)
    verdict = seen(made, LIMITS.node_seconds + 1)
    assert (verdict.prefix, verdict.failure.kind) == ("INIT_TIMEOUT", FailureKind.UNSCHEDULABLE)
    assert verdict.failure.message == f"The pod found no node within 1 h: no node takes it ({said})."
    assert verdict.failure.policy.retry
    assert "SYNCCTL_NODE_TIMEOUT_SECONDS" in verdict.reason
    assert waits_of(as_pod(made)) == Waits(WaitsFor.NODE, f"no node takes it ({said})")


@pytest.mark.fault(35)
def test_a_scheduler_that_is_silent_is_waited_for_too():
    """No condition at all, or one that only names a gate: no image is to blame."""
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    for conditions in ((), (gated,)):
        made = _unscheduled(*conditions)
        assert goes_on(made, LIMITS.node_seconds - 1)
        verdict = seen(made, LIMITS.node_seconds + 1)
        assert verdict.failure.kind is FailureKind.UNSCHEDULABLE
        assert "image" not in verdict.reason


def _unscheduled(*conditions: Part) -> dict[str, Any]:
    made = copy.deepcopy(POD) | {"status": {"phase": "Pending", "conditions": list(conditions)}}
    del made["spec"]["nodeName"]
    return made


@pytest.mark.fault(35)
def test_the_time_to_start_begins_with_the_node():
    """A pod that waited an hour for its node still gets the whole time for its images."""
    creating = waits("PodInitializing")
    made = pod("Pending", init=creating, source=creating, sidecar=creating, startTime=at(3001))
    made["status"]["conditions"] = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(3000)}]
    assert goes_on(made, 3000 + LIMITS.init_seconds - 1)
    assert seen(made, 3000 + LIMITS.init_seconds + 1).failure.kind is FailureKind.NOT_STARTED
    del made["status"]["conditions"]
    assert goes_on(made, 3000 + LIMITS.init_seconds - 1)


@pytest.mark.fault(28)
def test_a_node_that_takes_a_pod_and_never_begins():
    """Its kubelet is gone: another node may do better."""
    made = copy.deepcopy(POD) | {"status": {"phase": "Pending"}}
    assert goes_on(made, LIMITS.init_seconds - 1)
    failure = seen(made, LIMITS.init_seconds + 1).failure
    assert (failure.kind, failure.policy.retry) == (FailureKind.NODE_LOST, True)
    assert failure.message == "The node node-7 took the pod and did not begin with it within 3 min."


def test_a_slow_start_names_the_setting():
    """A large image, or a Secret that never came: the API does not say which."""
    creating = waits("PodInitializing")
    verdict = seen(pod("Pending", init=creating, source=creating, sidecar=creating), 200)
    assert verdict.prefix == "INIT_TIMEOUT"
    assert "SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS" in verdict.reason
    assert "Secret" in verdict.reason
    assert "node-7" in verdict.reason


# Time (16, 54) and what is not ours (74).


def test_the_task_s_time_out():
    """By the pod's own age."""
    made = pod("Running", source=RUNS, sidecar=RUNS)
    assert goes_on(made, 48 * 3600 - 1)
    verdict = seen(made, 48 * 3600 + 1)
    assert "ran longer than 48 h" in verdict.reason
    assert "SYNCCTL_TASK_TIMEOUT_HOURS" in verdict.reason


@pytest.mark.fault(54)
def test_a_pod_is_never_older_than_its_row():
    """An API server whose clock is a day behind the database's times nothing out."""
    made = pod("Running", source=RUNS, sidecar=RUNS)
    assert goes_on(made, 72 * 3600, row_age=60)
    creating = pod("Pending", init=waits("PodInitializing"))
    assert goes_on(creating, 86_400, row_age=20)


@pytest.mark.fault(38)
def test_a_sidecar_that_hangs():
    """Both run, and nobody has heard of the sidecar for longer than a stall may last."""
    made = pod("Running", source=RUNS, sidecar=RUNS)
    assert goes_on(made, 9000, silence=3700)
    assert goes_on(made, 9000)
    verdict = seen(made, 9000, silence=3800)
    assert "sidecar has not reported for 1.1 h" in verdict.reason
    unlimited = Limits(init_seconds=180, task_seconds=48 * 3600)
    assert diagnose(as_pod(made), Clock(BEGAN + 9000, silence=8000), unlimited) is None


@pytest.mark.fault(74)
def test_injected_containers_are_not_judged():
    """A mesh's proxy neither fails our pod nor keeps it alive."""
    made = pod("Running", source=RUNS, sidecar=RUNS)
    made["status"]["containerStatuses"].append({"name": "istio-proxy", "state": ended(137, "OOMKilled")})
    assert goes_on(made)
    made = pod("Running", source=ended(0), sidecar=ended(0))
    made["status"]["containerStatuses"].append({"name": "istio-proxy", "state": RUNS})
    assert seen(made).clean_end
    made = pod("Failed", source=ended(0), sidecar=ended(0))
    made["status"]["containerStatuses"].append({"name": "istio-proxy", "state": ended(1)})
    assert seen(made).clean_end
    made = pod("Pending", source=RUNS, sidecar=RUNS)
    made["status"]["containerStatuses"].append({"name": "istio-proxy", "state": waits("InvalidImageName")})
    assert goes_on(made, 100)


def _with_injected(made: dict[str, Any], kind: str, state: Part, last: Part | None = None) -> dict[str, Any]:
    status = {"name": "mesh", "state": state, "lastState": last or {}}
    made["status"][kind] = [status, *made["status"][kind]]
    return made


@pytest.mark.parametrize(
    ("state", "last", "words"),
    [
        (waits("ImagePullBackOff", "Back-off pulling image"), None, "does not start (ImagePullBackOff: Back-off"),
        (waits("CrashLoopBackOff", "back-off 5m0s"), ended(2, message="no CA"), "ended with exit code 2: no CA"),
        (ended(1), None, "ended with exit code 1"),
    ],
)
@pytest.mark.fault(102)
def test_an_injected_container_that_keeps_ours_from_starting_is_named(state: Part, last: Part | None, words: str):
    """While it does, and once the time to start is over: none of our images may be large."""
    creating = waits("PodInitializing")
    made = pod("Pending", init=creating, source=creating, sidecar=creating)
    made = _with_injected(made, "initContainerStatuses", state, last)
    assert goes_on(made, 179)
    found = waits_of(as_pod(made))
    assert found is not None
    assert (found.kind, words in found.text) == (WaitsFor.CONTAINER, True)
    verdict = seen(made, 200)
    assert (verdict.failure.kind, words in verdict.reason) == (FailureKind.INJECTED, True)
    assert "image may be large" not in verdict.reason


@pytest.mark.fault(74)
def test_an_injected_container_that_never_starts_beside_ours_changes_nothing():
    """The pod stays Pending; ours run for as long as they need, and then end."""
    stuck = waits("ImagePullBackOff")
    assert goes_on(_with_injected(pod("Pending", source=RUNS, sidecar=RUNS), "containerStatuses", stuck), 9000)
    over = _with_injected(pod("Pending", source=ended(0), sidecar=ended(0)), "containerStatuses", stuck)
    assert seen(over, 310).clean_end


@pytest.mark.parametrize("broken", ["", None, "yesterday", "17"])
def test_unreadable_times_do_not_stop_a_verdict(broken: Any):
    """Whatever stands where a time should."""
    made = pod("Running", source=ended(137), sidecar=RUNS)
    made["metadata"]["creationTimestamp"] = broken
    made["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = broken
    assert goes_on(made)
    made["status"]["phase"] = "Failed"
    assert "killed" in seen(made).reason


def _target(reason: str) -> dict[str, Any]:
    return {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "drained"}


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ({**POD, "status": {"phase": "Failed", "reason": "Evicted"}}, FailureKind.EVICTED),
        ({**POD, "status": {"phase": "Failed", "reason": "Preempting"}}, FailureKind.PREEMPTED),
        (
            {**POD, "status": {"phase": "Failed", "reason": "Terminated", "message": "shutdown"}},
            FailureKind.NODE_SHUTDOWN,
        ),
        ({**POD, "status": {"phase": "Failed", "reason": "NodeLost", "message": "gone"}}, FailureKind.NODE_LOST),
        ({**POD, "status": {"phase": "Failed", "reason": "OutOfcpu"}}, FailureKind.NODE_REFUSED),
        ({**POD, "status": {"phase": "Failed", "reason": "DeadlineExceeded"}}, FailureKind.TASK_TIMEOUT),
        ({**POD, "status": {"phase": "Failed"}}, FailureKind.NO_REASON),
        ({**POD, "status": {"phase": "Unknown"}}, FailureKind.NODE_LOST),
        (pod("Failed", source=ended(143), conditions=[_target("EvictionByEvictionAPI")]), FailureKind.EVICTED),
        (pod("Failed", source=ended(143), conditions=[_target("PreemptionByScheduler")]), FailureKind.PREEMPTED),
        (pod("Failed", source=ended(137, "OOMKilled"), sidecar=ended(0)), FailureKind.OUT_OF_MEMORY),
        (pod("Failed", source=ended(0), sidecar=ended(137, "OOMKilled")), FailureKind.SIDECAR_MEMORY),
        (pod("Failed", source=ended(137), sidecar=ended(0)), FailureKind.SOURCE_KILLED),
        (pod("Failed", source=ended(1), sidecar=ended(0)), FailureKind.SOURCE_EXIT),
        (pod("Running", source=RUNS, sidecar=ended(137)), FailureKind.SIDECAR_KILLED),
        (pod("Running", source=RUNS, sidecar=ended(139)), FailureKind.SIDECAR_KILLED),
        (pod("Failed", source=ended(0), sidecar=ended(2)), FailureKind.SIDECAR_FAILED),
        (pod("Failed", source=ended(0), sidecar=ended(POSTGRES_AWAY_EXIT)), FailureKind.POSTGRES_AWAY),
        (pod("Running", source=ended(0, when=10), sidecar=RUNS), FailureKind.SIDECAR_SILENT),
        (pod("Failed", source=ended(128, "StartError"), sidecar=ended(0)), FailureKind.IMAGE_UNUSABLE),
        (pod("Failed", source=ended(0), sidecar=ended(128, "StartError")), FailureKind.NOT_CREATED),
        (pod("Failed", init=ended(1)), FailureKind.INIT_FAILED),
        (pod("Pending", source=waits("InvalidImageName"), sidecar=RUNS), FailureKind.IMAGE_NAME),
        (pod("Pending", source=waits("ErrImagePull", "manifest unknown"), sidecar=RUNS), FailureKind.IMAGE_NAME),
        (pod("Pending", source=waits("ErrImagePull", "401 Unauthorized"), sidecar=RUNS), FailureKind.IMAGE_ACCESS),
        (
            pod("Pending", source=waits("ErrImagePull", 'image "a/b:1.403.0": not found'), sidecar=RUNS),
            FailureKind.IMAGE_NAME,
        ),
        (
            pod("Pending", source=waits("ErrImagePull", "toomanyrequests: rate limit; login denied"), sidecar=RUNS),
            FailureKind.IMAGE_PULL,
        ),
        (pod("Pending", source=waits("SignatureValidationFailed", "rejected"), sidecar=RUNS), FailureKind.IMAGE_PULL),
        (pod("Pending", source=waits("ErrImagePull", "i/o timeout"), sidecar=RUNS), FailureKind.IMAGE_PULL),
        (pod("Pending", source=waits("ErrImagePull", "503 Service Unavailable"), sidecar=RUNS), FailureKind.IMAGE_PULL),
        (pod("Pending", source=waits("CreateContainerConfigError"), sidecar=RUNS), FailureKind.NOT_CONFIGURED),
        (pod("Pending", source=waits("CreateContainerError"), sidecar=RUNS), FailureKind.NOT_CREATED),
        (pod("Pending", source=waits("PodInitializing")), FailureKind.NOT_STARTED),
    ],
)
def test_every_end_of_a_pod_is_of_one_kind(made: Part, kind: FailureKind):
    """What is started again, and what a caller is told to do, follows from it."""
    assert seen(made, 400).failure.kind is kind


def test_a_pod_that_the_platform_ends_is_known_before_it_has_ended():
    """A drained pod is gone soon after, and its Secret with it; one that somebody deletes is nobody's trouble."""
    made = pod("Running", source=RUNS, sidecar=RUNS, conditions=[_target("EvictionByEvictionAPI")])
    assert disruption_of(as_pod(made)) is None
    made["metadata"]["deletionTimestamp"] = at(360)
    found = disruption_of(as_pod(made))
    assert found is not None
    assert (found.kind, "drained" in found.message) == (FailureKind.EVICTED, True)
    made["status"]["conditions"] = []
    assert disruption_of(as_pod(made)) is None


def test_the_time_limit_is_for_all_attempts_together():
    """A later attempt's pod is young, and its task is not."""
    made = pod("Running", source=RUNS, sidecar=RUNS)
    assert goes_on(made, 310, row_age=200.0, task_age=47 * 3600.0)
    assert seen(made, 310, row_age=200.0, task_age=49 * 3600.0).failure.kind is FailureKind.TASK_TIMEOUT


DISK = "raise SYNCCTL_SOURCE_DISK_LIMIT, or give a read fewer streams."
EVICTIONS = [
    (
        'Container source exceeded its local ephemeral storage limit "8Gi". ',
        FailureKind.OUT_OF_DISK,
        f"source used more disk than its limit of 8Gi, and the pod was evicted on node node-7; {DISK}",
    ),
    (
        'Container sidecar exceeded its local ephemeral storage limit "1Gi". ',
        FailureKind.SIDECAR_DISK,
        (
            "sidecar used more disk than its limit of 1Gi, and the pod was evicted on node node-7; raise "
            "SYNCCTL_SIDECAR_DISK_LIMIT, or let the connector print less: its log is on that disk."
        ),
    ),
    (
        'Usage of EmptyDir volume "pipes" exceeds the limit "16Mi". ',
        FailureKind.SOURCE_ERROR,
        (
            "The volume pipes of the pod grew over 16Mi, its fixed size, and the pod was evicted on node node-7: source has "
            "to write its files elsewhere, such as to /tmp; look at the task's log for what the connector did before its "
            "error."
        ),
    ),
    (
        "Pod ephemeral local storage usage exceeds the total limit of containers 9Gi. ",
        FailureKind.OUT_OF_DISK,
        (
            "source, sidecar and the pod's volumes together used more disk than the limits of all containers, 9Gi, and the "
            f"pod was evicted on node node-7; {DISK}"
        ),
    ),
    (
        'Container istio-proxy exceeded its local ephemeral storage limit "1Gi". ',
        FailureKind.INJECTED,
        (
            "istio-proxy used more disk than its limit of 1Gi, and the pod was evicted on node node-7; look at what the "
            "cluster injects into pods of this namespace, such as a mesh's webhook."
        ),
    ),
]


@pytest.mark.fault(216)
@pytest.mark.parametrize(("message", "kind", "sentence"), EVICTIONS, ids=lambda value: str(value)[:20])
def test_a_pod_that_wrote_too_much_names_the_container_and_the_setting(
    message: str, kind: FailureKind, sentence: str
) -> None:
    """In the kubelet's words, whatever else it shows of the pod; a retry would write as much."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}
    status = {"phase": "Failed", "reason": "Evicted", "message": message, "conditions": [condition]}
    found = diagnose(as_pod(POD | {"status": status}), Clock(BEGAN + 300), LIMITS)
    assert found is not None
    assert (found.failure.kind, found.reason) == (kind, sentence)
    assert found.failure.policy.retry == (kind is FailureKind.INJECTED)
    ending = as_pod(
        {
            **POD,
            "metadata": POD["metadata"] | {"deletionTimestamp": "2999-01-01T00:00:00Z"},
            "status": {"phase": "Running", "conditions": [condition]},
        }
    )
    assert disruption_of(ending) == found.failure


def test_a_node_that_is_low_on_disk_is_not_the_pods_fault() -> None:
    """The next attempt may go to another node."""
    message = (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 9Mi. Container source was "
        "using 3Gi, request is 512Mi, has larger consumption of ephemeral-storage. "
    )
    found = diagnose(
        as_pod(POD | {"status": {"phase": "Failed", "reason": "Evicted", "message": message}}),
        Clock(BEGAN + 300),
        LIMITS,
    )
    assert found is not None
    assert found.failure.kind is FailureKind.EVICTED


# A pod without an init container: its sidecar is the first in the list, and its source waits for what that makes.


def bare(phase: str, *, source: Part | None = None, sidecar: Part | None = None, **status: Any) -> dict[str, Any]:
    """Such a pod in that phase."""
    made = pod(phase, source=source, sidecar=sidecar, **status)
    del made["spec"]["initContainers"], made["status"]["initContainerStatuses"]
    return made


VAIN = "The sidecar did not make the pipes within 240 s. Look at the log of the container sidecar."


@pytest.mark.fault(786)
def test_while_the_source_s_image_is_pulled_the_sidecar_runs() -> None:
    """The row names the image; before the sidecar runs nothing is known, or its own trouble."""
    creating = waits("ContainerCreating")
    pulling = bare("Pending", sidecar=RUNS, source=creating)
    assert waits_of(as_pod(pulling)) == Waits(WaitsFor.IMAGE, "the image of source is being pulled")
    assert waits_of(as_pod(bare("Pending", sidecar=creating, source=creating))) is None
    secret = bare("Pending", sidecar=waits("ContainerCreating", "waiting for the Secret p-config"), source=creating)
    assert waits_of(as_pod(secret)) == Waits(
        WaitsFor.CONTAINER, "sidecar: ContainerCreating: waiting for the Secret p-config"
    )
    assert goes_on(pulling, 100)
    late = seen(pulling, 200)
    assert (late.failure.kind, late.prefix) == (FailureKind.NOT_STARTED, "INIT_TIMEOUT")
    assert late.reason.startswith("The pod did not start within 3 min: its containers were still being made")


@pytest.mark.fault(786)
def test_the_patience_with_the_source_s_image_begins_once_the_sidecar_runs() -> None:
    """Until then the kubelet had the sidecar's to pull."""
    trouble = waits("ErrImagePull", "i/o timeout")
    runs = {"running": {"startedAt": at(100)}}
    assert goes_on(bare("Pending", sidecar=runs, source=trouble), 155)
    assert seen(bare("Pending", sidecar=runs, source=trouble), 165).failure.kind is FailureKind.IMAGE_PULL


@pytest.mark.fault(781)
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (waits("ImagePullBackOff", "i/o timeout"), "The image sidecar:1 of sidecar cannot be used: ImagePullBackOff"),
        (waits("CreateContainerError", "no space"), "sidecar could not be created: CreateContainerError"),
    ],
)
def test_a_sidecar_that_cannot_start_is_named_while_its_source_waits(trouble: Part, said: str) -> None:
    """And where the source has given up already, for want of sweeps, that is not its own failure."""
    given_up = ended(69, when=100, message=VAIN)
    for source in (RUNS, given_up, ended(69, when=100)):
        verdict = seen(bare("Pending", sidecar=trouble, source=source), 160)
        assert verdict.failure.message.startswith(said)
    assert goes_on(bare("Pending", sidecar=trouble, source=RUNS), 30)


@pytest.mark.fault(781)
def test_a_source_of_another_sidecar_may_end_with_any_code() -> None:
    """Where init has made the pipes, the source did not wait: what it ended with is its connector's."""
    made = pod("Pending", sidecar=waits("ContainerCreating"), source=ended(69, when=100))
    assert seen(made, 160).failure.kind is FailureKind.SOURCE_EXIT


@pytest.mark.fault(782)
def test_a_source_that_waited_in_vain_says_so() -> None:
    """At once, though the sidecar runs; a connector that ends with the same code is believed."""
    verdict = seen(bare("Running", sidecar=RUNS, source=ended(69, when=300, message=VAIN)), 305, silence=1.0)
    assert (verdict.failure.kind, verdict.prefix, verdict.wants_log) == (
        FailureKind.NOT_STARTED,
        "INIT_TIMEOUT",
        "sidecar",
    )
    assert verdict.failure.message == VAIN
    assert goes_on(bare("Running", sidecar=RUNS, source=ended(69, when=300, message="own words")), 305, silence=1.0)
    own = seen(bare("Failed", sidecar=ended(0), source=ended(69, message="own words")))
    assert own.failure.kind is FailureKind.SOURCE_EXIT


@pytest.mark.fault(783)
@pytest.mark.parametrize("source", [RUNS, waits("ContainerCreating"), waits("ErrImagePull", "i/o timeout")])
def test_a_sidecar_that_ends_before_its_source_begins_is_the_end(source: Part) -> None:
    """Its source waits, or its image is still pulled: nothing will come of it."""
    phase = "Running" if source is RUNS else "Pending"
    killed = seen(bare(phase, sidecar=ended(137, "Error", when=20), source=source), 25)
    assert killed.failure.kind is FailureKind.SIDECAR_KILLED
    away = seen(bare(phase, sidecar=ended(POSTGRES_AWAY_EXIT, when=20), source=source), 25)
    assert away.failure.kind is FailureKind.POSTGRES_AWAY
    told = seen(bare(phase, sidecar=ended(0, when=20), source=source), 25)
    assert told.failure.kind is FailureKind.SIDECAR_FAILED


def test_a_sidecar_is_not_mute_while_it_waits_for_its_source() -> None:
    """It reports once its source has begun: the time without a report is counted from then."""
    early, late = {"running": {"startedAt": at(8)}}, {"running": {"startedAt": at(100)}}
    assert not is_unreported(as_pod(bare("Running", sidecar=early, source=late)), BEGAN + 120, None)
    assert is_unreported(as_pod(bare("Running", sidecar=early, source=late)), BEGAN + 140, None)
