"""`syncctl state` against a real deployment: what is printed can be set again, and what is changed is undone."""

import json
from typing import NamedTuple

import pytest

from tests.support import edition_process as served_edition
from tests.support.terminal import Ran, run

# A name that JSON may hold as it is, and that would turn around what a terminal shows.
TURNING = "be\u202eds"
USERS = '{"n": 9223372036854775808.10}'
DOCUMENT = """
apiVersion: sync-functions.dev/v1alpha1
kind: Sync
metadata: {name: %s}
spec:
  image: airbyte/source-faker:7.2.1
  suspend: true
"""


class Served(NamedTuple):
    """A running `syncctl serve`."""

    url: str
    token: str

    def state(self, *arguments: str, stdin: str = "", code: int = 0) -> Ran:
        done = run(self.url, "state", *arguments, stdin=stdin, env={"SYNCCTL_TOKEN": self.token})
        assert done.code == code, done.out + done.err
        return done


@pytest.fixture(scope="module")
def served(edition: served_edition.EditionProcess) -> Served:
    """Two declared syncs that have never run."""
    for name in ("states-one", "states-two"):
        text = DOCUMENT % name
        done = run(edition.url, "apply", "-f", "-", stdin=text, env={"SYNCCTL_TOKEN": edition.token})
        assert done.code == 0, done.err
    return Served(edition.url, edition.token)


def test_a_state_from_the_first_to_the_last(served: Served) -> None:
    """Set before the first run, printed as it can be set, copied, reset by stream, and brought back."""
    done = served.state("get", "states-one")
    assert (json.loads(done.out), "No state is saved" in done.err) == ({"states": {}}, True)
    done = served.state("set", "states-one", "users", "-f", "-", stdin=USERS)
    assert done.out == "state/states-one set: users\n"
    assert "`syncctl state undo states-one` brings back" in done.err
    messages = [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": json.loads('{"n": 1}')}}
        for name in ("users", TURNING)
    ]
    served.state("set", "states-one", "-f", "-", stdin=json.dumps(messages, ensure_ascii=False))
    served.state("set", "states-one", "users", "-f", "-", stdin=USERS)
    printed = served.state("get", "states-one")
    assert "9223372036854775808.10" in printed.out
    assert "\u202e" not in printed.out + printed.err
    assert served.state("set", "states-two", "-f", "-", stdin=printed.out).out.count("users") == 1
    assert served.state("get", "states-two").out == printed.out
    assert served.state("reset", "states-one", "users", TURNING).out.splitlines() == [
        "state/states-one reset: users",
        "state/states-one reset: be\\u202eds",
    ]
    done = served.state("reset", "states-one", "users", code=5)
    assert "users: has no saved state; there is none." in done.err
    copied = served.state("copy", "states-two", "states-one", "--json")
    assert json.loads(copied.out)["before"] == {"users": None, TURNING: None}
    for _ in range(3):
        done = served.state("undo", "states-one")
    assert done.out == "state/states-one undo of reset: users\n"
    assert served.state("get", "states-one", "users", "--json").out == '{"n":9223372036854775808.10}\n'


def test_what_cannot_be_done_is_said_in_words(served: Served) -> None:
    """Files are read before anything is asked for."""
    assert "must hold a JSON object" in served.state("set", "states-two", "users", "-f", "-", stdin="[]", code=2).err
    assert "is not valid JSON" in served.state("set", "states-two", "-f", "-", stdin="{", code=2).err
    assert "is not declared" in served.state("get", "states-three", code=5).err
    done = served.state("set", "states-two", "-f", "-", "--json", stdin='{"users": {}}', code=5)
    assert 'expected {"states"' in json.loads(done.out)["error"]
