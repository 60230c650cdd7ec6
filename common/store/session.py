"""Settings that a database URL asks of the server (search_path, statement_timeout ...): set in each transaction.

Poolers refuse or drop start-up parameters. In transaction mode, the usual one, each transaction may have another
session of the server, and a SET outside of it stays with a session that others get. A setting that lasts until the end
of the transaction is in effect behind every pooler that allows transactions, and costs no round trip: it comes with the
BEGIN.
"""

import re
from collections.abc import Mapping

from common.errors import SettingsError

_WORD = re.compile(r"(?:\\.|[^\s\\])+", re.DOTALL)
_DEFAULTS = re.compile(r"default_(transaction_(?:isolation|read_only|deferrable))")


def parse_options(text: str) -> tuple[dict[str, str], str]:
    """Split libpq's `options` into settings (-c NAME=VALUE, --NAME=VALUE), and words that a host's own proxy reads.

    Such as Neon's endpoint=...; a server that has no use for a word refuses it. Raise SettingsError for other flags.
    """
    settings: dict[str, str] = {}
    others: list[str] = []
    words = iter(re.sub(r"\\(.)", r"\1", word) for word in _WORD.findall(text))
    for word in words:
        if not word.startswith("-"):
            others.append(word)
            continue
        flag = next(words, "") if word == "-c" else word[2:]
        name, equals, value = flag.partition("=")
        if word[:2] not in {"-c", "--"} or not equals or not name:
            raise SettingsError(
                "The database URL's options may hold settings alone, as -c NAME=VALUE; remove the others."
            )
        settings[name.replace("-", "_").lower()] = value
    return settings, " ".join(others)


def first_statements(settings: Mapping[str, str]) -> str:
    """Return the SQL that gives a transaction its settings.

    The defaults for transactions come too late for one that has begun: its own are set, before it has a snapshot.
    """
    sql: list[str] = []
    for name, value in settings.items():
        if own := _DEFAULTS.fullmatch(name):
            sql.insert(0, f"SET LOCAL {own[1]} TO {_literal(value)};")
        else:
            # A statement each, since the driver takes rows of several statements for one table.
            sql.append(f"SELECT set_config({_literal(name)}, {_literal(value)}, true);")
    return "".join(sql)


def _literal(text: str) -> str:
    r"""Return a literal that means the same whatever standard_conforming_strings is."""
    return "E'{}'".format(text.replace("\\", "\\\\").replace("'", "''"))
