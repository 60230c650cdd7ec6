"""The edition on one machine: Postgres, the warehouse, pods as processes, all functions on one port, the sweep."""

import logging
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Self

from common import cluster, pod_templates
from common import settings as function_settings
from common.errors import SyncError
from common.settings import Settings
from common.store import Database, states
from common.syncs.validate import Rules
from embedded import credentials, files, settings
from embedded.connectors import uv
from embedded.containers.runtime import Runtime, find
from embedded.listener import listen
from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images, resolver
from embedded.postgres.server import Postgres
from embedded.sweep_timer import SweepTimer

SIDECAR_IMAGE = "sync-functions/sidecar:embedded"
_SWEEP_SECONDS = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Report = Callable[[str], None]

_log = logging.getLogger(__name__)


class Edition:
    """A context manager that starts all parts in order, and stops them in reverse. One per home folder."""

    def __init__(
        self,
        home: Path,
        port: int,
        images: Mapping[str, str],
        report: Report,
        *,
        or_any_port: bool = False,
        runtime: str = "",
    ) -> None:
        self._port, self._or_any_port, self._report = port, or_any_port, report
        self._images = Images(
            cache=str(settings.connectors_folder()),
            local_images=dict(images),
            # Runners read it from a file, so it holds only what an install needs.
            environment=uv.install_variables(settings.environment()),
            packages=settings.connector_packages(),
            runtime=find(Runtime(runtime)) if runtime else "",
        )
        self._connectors = resolver(self._images)
        self._stack = ExitStack()
        self._over = threading.Event()
        self.home = home.expanduser().absolute()
        self.warehouse_file = self.home / "warehouse.duckdb"
        self.token_file = self.home / "token"
        self.url = self.token = self.database_url = ""

    def __enter__(self) -> Self:
        try:
            self._start(self._stack)
        except OSError as error:
            self.close()
            raise SyncError(
                f"The edition cannot use {self.home} ({error.strerror or error}); choose another folder with --home."
            ) from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all parts in order, even if Ctrl-C comes again; each has a time limit of its own."""
        with _ignore_signals():
            self._stack.close()

    def wait(self) -> None:
        """Block until SIGINT or SIGTERM."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        self._over.wait()

    def rows(self, table: str) -> int | None:
        """Return the number of rows of a table in the warehouse; None without such a table."""
        return self._warehouse.count(table)

    def states(self, sync_id: str) -> dict[str, str]:
        """Return the saved states of a sync, as JSON by state key."""
        with Database(self.database_url, settings.database_schema()) as db:
            return {key: state.decode() for key, state in db.transact(lambda db: states.load(db, sync_id))}

    def prepare(self, image: str) -> None:
        """Install a connector before its first task."""
        if not self._connectors.is_ready(image):
            self._connectors.install(image, self._report)

    def _start(self, stack: ExitStack) -> None:
        self._lock_home(stack)
        listener = stack.enter_context(listen(self._port, or_any=self._or_any_port))
        with ThreadPoolExecutor(1, "database") as background:
            opening = background.submit(self._open_database, stack.enter_context(ExitStack()))
            # Meanwhile: Flask and DuckDB take as long to import as Postgres takes to start.
            from embedded import gateway  # noqa: F401 - for _serve
            from embedded.warehouse.server import WarehouseServer
            from embedded.warehouse.warehouse import Warehouse

            self.database_url = opening.result()
        self._warehouse = Warehouse(self.warehouse_file, token := secrets.token_urlsafe(24))
        stack.callback(self._warehouse.close)
        bulker = stack.enter_context(WarehouseServer(self._warehouse))
        self.token = _read_or_make(self.token_file, lambda: secrets.token_urlsafe(24))
        self._serve(stack, listener, self._settings(self.brought(bulker.url, token)))

    def _lock_home(self, stack: ExitStack) -> None:
        files.own_folder(self.home)
        try:
            stack.enter_context(files.lock(self.home / "lock"))
        except BlockingIOError as error:
            raise SyncError(
                f"Another edition already runs on {self.home}; stop it first, or choose another folder with --home."
            ) from error
        if self.warehouse_file.exists():
            self.warehouse_file.chmod(0o600)

    def brought(self, bulker_url: str, bulker_token: str) -> dict[str, str]:
        """Return the settings that the edition brings itself, whatever the user has given."""
        brought = {
            "SYNCCTL_BULKER_URL": bulker_url,
            "SYNCCTL_BULKER_AUTH_TOKEN": bulker_token,
            "SYNCCTL_BULKER_ANY_NUMBER": "true",
            "SYNCCTL_RAW_AUTH_TOKENS": self.token,
            "SYNCCTL_SIDECAR_IMAGE": SIDECAR_IMAGE,
            "SYNCCTL_SIDECAR_PREPARES": "true",
        }
        if not settings.own_database_url():
            # A URL given for a cluster names another Postgres, and task pods would wait for that one.
            brought["SYNCCTL_SIDECAR_DATABASE_URL"] = self.database_url
        return brought

    def _settings(self, brought: dict[str, str]) -> Settings:
        data_plane = _read_or_make(self.home / "data-plane", lambda: f"{socket.gethostname()}-{secrets.token_hex(4)}")
        for sentence in settings.without_effect(brought):
            _log.warning("%s", sentence)
        given = settings.settings(
            brought | {"SYNCCTL_DATABASE_URL": self.database_url},
            defaults={
                "SYNCCTL_DATA_PLANE": data_plane,
                # A pod is Pending while its connector is installed, which may take minutes.
                "SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS": str(uv.INSTALL_SECONDS),
            },
        )
        return given.model_copy(update={"pod_templates": pod_templates.of_processes(given.pod_templates)})

    def _serve(self, stack: ExitStack, listener: socket.socket, given: Settings) -> None:
        from embedded.gateway import Gateway

        timer = SweepTimer(given, _SWEEP_SECONDS)
        pods = LocalCluster(
            self.home / "pods",
            self._images,
            SIDECAR_IMAGE,
            settings.environment(),
            on_end=timer.wake,
            syncs=self.home / "syncs",
            credentials=self.home / credentials.FOLDER,
            rules=Rules(given.secrets, given.allowed_images),
        )
        stack.callback(pods.close)
        stack.callback(cluster.use, None)
        cluster.use(pods)
        stack.callback(function_settings.use, None)
        function_settings.use(given)
        timer.remember()
        gateway = Gateway(listener)
        stack.callback(timer.close)
        stack.callback(gateway.close)
        timer.start()
        self.url = f"http://127.0.0.1:{gateway.port}"

    def _open_database(self, stack: ExitStack) -> str:
        """Return the URL of a database with all tables: the user's own, or ours, which `stack` stops."""
        url = settings.own_database_url()
        if not url:
            if not (self.home / "postgres").exists():
                self._report("Making a Postgres database ...")
            url = stack.enter_context(Postgres.start(self.home / "postgres")).url
        with Database(url, settings.database_schema(), patience_seconds=10) as db:
            db.install()
        return url

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._over.set()


def _read_or_make(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a file; if it is missing, make it for this user alone. `syncctl` reads the token there."""
    try:
        text = path.read_text().strip() if path.exists() else ""
    except UnicodeDecodeError:
        raise SyncError(f"{path} does not hold a {path.name}; remove it, and a new one is made.") from None
    if not text:
        # Atomic: an empty token file would leave the functions open to everyone.
        files.write_atomic(path, (text := make()).encode())
    return text


@contextmanager
def _ignore_signals() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM in the main thread, which alone can be interrupted."""
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS if main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
