"""Which options a database URL may hold: libpq's (PostgreSQL 18), and those that hosts and other drivers add.

docs/reference/database-url.md has the same in tables.
"""

HONOURED = frozenset(
    {"host", "hostaddr", "port", "dbname", "user", "password", "connect_timeout", "application_name", "options"}
    | {"fallback_application_name", "schema", "ssl", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword"}
    | {"sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding"}
)
SETTINGS = frozenset(
    {"search_path", "timezone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"}
)
"""Settings of the server that may stand in the URL under their own names."""

LEFT_OUT = frozenset(
    # libpq; some with a value that REFUSED has
    {
        "client_encoding",
        "datestyle",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
    }
    | {"gssencmode", "krbsrvname", "gsslib", "gssdelegation", "sslcompression", "sslcertmode", "sslsni"}
    | {"load_balance_hosts", "target_session_attrs", "min_protocol_version", "max_protocol_version"}
    # Prisma
    | {"connection_limit", "pool_timeout", "socket_timeout", "pgbouncer", "statement_cache_size", "sslaccept"}
    | {"single_use_connections"}
    # pgx and lib/pq
    | {"pool_max_conns", "pool_min_conns", "pool_min_idle_conns", "pool_max_conn_lifetime"}
    | {"pool_max_conn_lifetime_jitter", "pool_max_conn_idle_time", "pool_health_check_period"}
    | {"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity", "binary_parameters"}
    # JDBC, SQLAlchemy, node-postgres, and marks of hosts
    | {"preparethreshold", "prepared_statement_cache_size", "uselibpqcompat", "supa", "workaround"}
)

_PRIMARY = "functions write: use the URL of the primary, without this option"
_PASSWORD = "write the user and the password into the URL"  # noqa: S105 - a sentence
_VERIFY = "write sslmode=verify-full, and sslrootcert=FILE unless a public authority has signed the certificate"
_PATH = "write search_path="
REFUSED = {
    "passfile": _PASSWORD,
    "service": "write the service's host, port, database and user into the URL",
    "servicefile": "write the service's host, port, database and user into the URL",
    "requirepeer": "remove it; the user of a socket's server is not checked",
    "require_auth": "write channel_binding=require, which takes SCRAM over TLS alone",
    "sslcrl": "remove it; lists of revoked certificates are not read",
    "sslcrldir": "remove it; lists of revoked certificates are not read",
    "sslcertmode=require": "write sslcert= and sslkey= alone; the server asks for a certificate if it wants one",
    "sslsni=0": "remove it; the host's name is part of the TLS handshake",
    "sslkeylogfile": "remove it; keys of connections are not written down",
    "sslinline": "write sslrootcert=, sslcert= and sslkey= as names of files",
    "requiressl": "write sslmode=require",
    "sslaccept=strict": _VERIFY,
    "sslidentity": "write sslcert= and sslkey= as names of PEM files",
    "gssencmode=require": "use TLS: sslmode=require or stronger",
    "target_session_attrs=read-only": _PRIMARY,
    "target_session_attrs=standby": _PRIMARY,
    "replication": "remove it; no replication takes place",
    "min_protocol_version=3.2": "remove it; version 3.0 of the protocol is spoken",
    "min_protocol_version=latest": "remove it; version 3.0 of the protocol is spoken",
    "scram_client_key": _PASSWORD,
    "scram_server_key": _PASSWORD,
    "oauth_issuer": _PASSWORD,
    "oauth_client_id": _PASSWORD,
    "oauth_client_secret": _PASSWORD,
    "oauth_scope": _PASSWORD,
    "currentschema": _PATH,
    "schema_search_path": _PATH,
    "searchpath": _PATH,
}
"""What to do instead; a key with a value refuses that value alone."""


def problem(name: str, value: str) -> str | None:
    """Return why an option (in lower case) cannot be taken, and what to do; never its value, unless REFUSED has it."""
    if name in HONOURED | SETTINGS:
        return None
    for refused in (f"{name}={value.lower()}", name):
        if refused in REFUSED:
            return f"{refused} cannot be honoured: {REFUSED[refused]}"
    if name in LEFT_OUT:
        return None
    return f"unknown option {name}: remove it, or write a setting of the server as options=-c%20NAME%3DVALUE"
