"""A Postgres that writes down every statement it is sent, so that a bench can count what really arrived."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.store import Database
from embedded.postgres.server import Postgres

_STATEMENT = re.compile(rb"LOG:  (?:statement|execute [^:]*): (?!BEGIN|COMMIT|ROLLBACK)")


class Statements:
    """The server's log, read from where it was read last."""

    def __init__(self, url: str, log: Path) -> None:
        self.url, self._log = url, log
        self._seen = log.stat().st_size

    def count(self) -> int:
        """The statements since the last call, without the ends of transactions."""
        with self._log.open("rb") as file:
            file.seek(self._seen)
            text = file.read()
        self._seen += len(text)
        return len(_STATEMENT.findall(text))


@contextmanager
def counting() -> Iterator[Statements]:
    """A running server with all tables."""
    with tempfile.TemporaryDirectory() as name, Postgres.start(Path(name)) as postgres:
        with Database(postgres.url) as db:
            db.install()
            for setting, value in (("log_statement", "'all'"), ("log_parameter_max_length", "0")):
                db.execute(f"ALTER ROLE CURRENT_USER SET {setting} = {value}")
        yield Statements(postgres.url, Path(name) / "postgres.log")
