"""The login of a Postgres with TLS, by SCRAM with channel binding: the tests' own server is built without TLS."""

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from scramp import ScramMechanism  # type: ignore[import-untyped] # scramp ships no types

from tests.support.odd_servers import odd_server

_BINDING = "tls-server-end-point"
_OK, _SASL, _CONTINUE, _FINAL = 0, 10, 11, 12


@contextmanager
def scram_server(context: ssl.SSLContext, certificate: Path, password: str, *mechanisms: str) -> Iterator[str]:
    """The URL of a server that offers these mechanisms, the first of which it then speaks; "" is no password at all."""

    def serve(client: socket.socket) -> None:
        client.recv(8)
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as secured:
            secured.recv(4096)
            if mechanisms != ("",):
                _log_in(secured, certificate, password, mechanisms)
            secured.sendall(_request(_OK) + b"Z" + struct.pack("!i", 5) + b"I")
            secured.recv(4096)

    with odd_server(serve) as address:
        yield f"postgresql://u:{password}@127.0.0.1:{urlsplit(address).port}/d"


def _log_in(client: ssl.SSLSocket, certificate: Path, password: str, mechanisms: tuple[str, ...]) -> None:
    client.sendall(_request(_SASL, b"".join(name.encode() + b"\0" for name in mechanisms) + b"\0"))
    chosen, _, rest = client.recv(4096)[5:].partition(b"\0")
    if chosen.decode() != mechanisms[0]:
        raise ConnectionError("the client has gone")
    mechanism = ScramMechanism(mechanisms[0])
    info = mechanism.make_auth_info(password)
    binding = (_BINDING, certificate.read_text()) if mechanism.use_binding else None
    server = mechanism.make_server(lambda _: info, channel_binding=binding)
    server.set_client_first(rest[4:].decode())
    client.sendall(_request(_CONTINUE, server.get_server_first().encode()))
    server.set_client_final(client.recv(4096)[5:].decode())
    client.sendall(_request(_FINAL, server.get_server_final().encode()))


def _request(method: int, data: bytes = b"") -> bytes:
    return b"R" + struct.pack("!ii", len(data) + 8, method) + data
