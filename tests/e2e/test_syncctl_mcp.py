"""`syncctl mcp` as assistants use it: the SDK's own client starts it and speaks over its pipes, to a real edition."""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, Tool

from tests.support import canaries
from tests.support.edition_process import EditionProcess
from tests.support.terminal import run

LOOKING = {"list_syncs", "get_sync", "list_tasks", "get_task", "get_logs", "get_states", "get_spec"}
STARTING = {"run_sync", "run_full_sync", "start_spec"}
DOING = STARTING | {"cancel_task", "suspend_sync", "resume_sync"}
NAME = "mcp-garden"


class Assistant:
    """A session; each answer is searched for secrets."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in (await self._client.list_tools()).tools}

    async def ask(self, tool: str, **arguments: Any) -> str:
        """The text of an answer, which is not an error."""
        answer = await self._call(tool, arguments)
        assert not answer[0], answer[1]
        return answer[1]

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The text of an error."""
        answer = await self._call(tool, arguments)
        assert answer[0], answer[1]
        return answer[1]

    async def _call(self, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
        answer = await self._client.call_tool(tool, arguments)
        assert isinstance(answer, CallToolResult)
        text = "".join(getattr(part, "text", "") for part in answer.content)
        canaries.refuse(f"the answer of {tool}", text)
        return bool(answer.is_error), text


def talk(url: str, token: str, *words: str, then: Callable[[Assistant], Awaitable[None]]) -> None:
    """Start the server as an assistant does, and speak to it."""
    path = os.environ["PATH"]  # noqa: TID251 - a child gets the tests' own
    server = StdioServerParameters(
        command=str(Path(sys.executable).with_name("syncctl")),
        args=["mcp", "--url", url, *words],
        env={"SYNCCTL_TOKEN": token, "PATH": path},
    )

    async def session() -> None:
        async with Client(server) as client:
            await then(Assistant(client))

    anyio.run(session)


@pytest.fixture
def garden(edition: EditionProcess, tmp_path: Path) -> str:
    """A declared sync with a secret in its configuration."""
    offered = tmp_path / "offered.json"
    offered.write_text(json.dumps({"herbs": {"n": {"type": "integer"}}, "trees": {}}))
    config = {"offered": str(offered), "password": canaries.CONFIG}
    spec = {"image": "case/garden:1", "config": config, "prefix": "mcp_"}
    metadata = {"name": NAME}
    document = {"apiVersion": "sync-functions.dev/v1alpha1", "kind": "Sync", "metadata": metadata, "spec": spec}
    done = run(edition.url, "apply", "-f", "-", stdin=json.dumps(document), env={"SYNCCTL_TOKEN": edition.token})
    assert done.code == 0, done.err
    return NAME


@pytest.mark.fault(645)
def test_an_assistant_looks_runs_and_cancels(edition: EditionProcess, garden: str) -> None:
    """What changes something is there only with --write, and marked; answers are small and hold no secret."""

    async def look(assistant: Assistant) -> None:
        tools = await assistant.tools()
        assert set(tools) == LOOKING
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
        assert "Unknown tool" in await assistant.refused("run_sync", name=garden)
        assert garden in [one["name"] for one in json.loads(await assistant.ask("list_syncs"))]
        shown = json.loads(await assistant.ask("get_sync", name=garden))
        assert (shown["configured"], "config" in shown["spec"]) == (["offered", "password"], False)
        assert "declared" in await assistant.refused("get_sync", name="nobody")
        assert "There is no task nothing" in await assistant.refused("get_task", task_id="nothing")
        assert "start_spec" in await assistant.refused("get_spec", image="case/garden:7")

    async def change(assistant: Assistant) -> None:
        marks = {name: tool.annotations for name, tool in (await assistant.tools()).items()}
        assert set(marks) == LOOKING | DOING
        assert {name for name, one in marks.items() if one and one.destructive_hint} == {"run_full_sync", "cancel_task"}
        assert {name for name in DOING if (one := marks[name]) and not one.idempotent_hint} == STARTING
        assert not any(one and one.read_only_hint for name, one in marks.items() if name in DOING)
        task = json.loads(await assistant.ask("run_sync", name=garden, streams=["herbs"]))["taskId"]
        await anyio.to_thread.run_sync(edition.finish, task)
        shown = json.loads(await assistant.ask("get_task", task_id=task))
        assert (shown["state"], shown["streams"]["herbs"]["stored"], "trees" in shown["streams"]) == (
            "SUCCESS",
            1,
            False,
        )
        assert json.loads(await assistant.ask("get_states", sync=garden))["states"]["herbs"]["state"] == {"n": 1}
        listed = json.loads(await assistant.ask("list_tasks", sync=garden, state="success", command="read"))
        assert [one["taskId"] for one in listed] == [task]
        assert len((await assistant.ask("get_logs", task_id=task, lines=2)).splitlines()) <= 3
        assert json.loads(await assistant.ask("suspend_sync", name=garden))["result"] == "configured"
        assert json.loads(await assistant.ask("resume_sync", name=garden))["result"] == "configured"
        assert json.loads(await assistant.ask("cancel_task", task_id=task))["state"] == "SUCCESS"
        spec = json.loads(await assistant.ask("start_spec", image="case/garden:1"))["taskId"]
        await anyio.to_thread.run_sync(edition.finish, spec)
        assert "connectionSpecification" in await assistant.ask("get_spec", image="case/garden:1")
        full = json.loads(await assistant.ask("run_full_sync", name=garden, streams=["herbs"]))["taskId"]
        assert (await anyio.to_thread.run_sync(edition.finish, full))["state"] == "SUCCESS"

    talk(edition.url, edition.token, then=look)
    talk(edition.url, edition.token, "--write", then=change)
    assert edition.rows("SELECT n FROM mcp_herbs") == [(1,)]
    run(edition.url, "delete", garden, env={"SYNCCTL_TOKEN": edition.token})
