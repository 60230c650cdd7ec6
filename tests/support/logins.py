"""Database users of a test's own, with exactly the rights that it names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from common.errors import LoginRefused
from common.store import Database
from tests.support import docs
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for


def grants(role: str) -> list[str]:
    """The statements of operate.md that grant something to this role."""
    [block] = [code for code in docs.code(docs.read("docs/how-to/operate.md"), "sql") if f"TO {role};" in code]
    return [statement.strip() for statement in block.split(";") if statement.strip()]


@contextmanager
def login(database: TestDatabase, grants: Sequence[str], stands_for: str = "USER") -> Iterator[str]:
    """The database's URL for a new user; `stands_for` is its name in the grants."""
    name = f"u{uuid4().hex}"
    rule = f"host all {name} 127.0.0.1/32 scram-sha-256"
    database.rows(f"COPY (SELECT '{rule}') TO PROGRAM 'cat >> pg_hba.conf'")
    database.rows("SELECT pg_reload_conf()")
    database.rows(f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    for grant in grants:
        database.rows(grant.replace(stands_for, name))
    parts = urlsplit(database.url)
    url = urlunsplit(parts._replace(netloc=f"{name}:p@{parts.netloc.rpartition('@')[2]}"))
    wait_for(lambda: _lets_in(url), 20, "the server knows the new login")
    yield url
    database.rows(f"DROP OWNED BY {name}")
    database.rows(f"DROP ROLE {name}")


def user_of(url: str) -> str:
    """The name of a login's user."""
    return urlsplit(url).username or ""


def _lets_in(url: str) -> bool:
    try:
        with Database(url) as db:
            return bool(db.transact(lambda db: db.execute("SELECT 1")))
    except LoginRefused:
        return False
