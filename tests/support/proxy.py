"""A TCP proxy that can be cut, or made to swallow everything: a database that is away for a while, or in the middle."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forwards until `cut` (connections are closed, new ones refused at once) or `hang` (nothing moves any more).

    `lose_answer_to` is shown what a client sends: where it says so, the server gets that and carries it out, and the
    connection breaks with the answer.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._away = self._hangs = False
        self.lose_answer_to: Callable[[bytes], bool] = lambda _: False
        credentials, at, _ = parts.netloc.rpartition("@")
        address = f"{credentials}{at}127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=address))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        self._away = True
        self._drop()

    def hang(self) -> None:
        self._hangs = True

    def heal(self) -> None:
        """As before; connections that hung are closed."""
        self._away = self._hangs = False
        self._drop()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._drop()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._away:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection to its end."""
        ends = [client]
        try:
            self._open.add(client)
            if self._hangs:
                return
            ends.append(server := socket.create_connection(self._target))
            self._open.add(server)
            lost = threading.Event()
            back = threading.Thread(target=self._pump, args=(server, client, lost, self._answer), daemon=True)
            back.start()
            self._pump(client, server, lost, self._ask)
            back.join()
        except OSError:
            pass  # the server is away
        finally:
            if not self._hangs:
                self._close(ends)

    def _pump(
        self, left: socket.socket, right: socket.socket, lost: threading.Event, go_on: Callable[..., bool]
    ) -> None:
        with contextlib.suppress(OSError):
            while (data := left.recv(65536)) and go_on(data, lost):
                if self._hangs:
                    return
                right.sendall(data)
        for end in (right, left):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _ask(self, data: bytes, lost: threading.Event) -> bool:
        if self.lose_answer_to(data):
            lost.set()
        return True

    def _answer(self, _: bytes, lost: threading.Event) -> bool:
        return not lost.is_set()

    def _drop(self) -> None:
        self._close(list(self._open))

    def _close(self, ends: list[socket.socket]) -> None:
        for end in ends:
            self._open.discard(end)
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    """A running proxy before the server of a database URL."""
    running = Proxy(url)
    try:
        yield running
    finally:
        running.close()
