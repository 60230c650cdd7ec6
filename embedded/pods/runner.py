"""The kubelet of one pod, a process of its own: `python -m embedded.pods.runner FOLDER`.

Waits for the pod's Secrets, runs init containers one after the other, if there are some, starts the others in
their order, without waiting for those before, and keeps the pod's status up to date. A connector is installed
first; the containers before it run meanwhile, as while a kubelet pulls. Standard input is the owner's line:
{"grace": seconds, "reason": "", "message": ""} ends the pod, and the end of the input, which comes also when
the owner is killed, makes the runner kill everything and exit. Exit code 0 means that the status is final.
"""

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from common.cluster.objects import ContainerState
from common.errors import Refused
from embedded.credentials import Credentials
from embedded.pods import manifest, processes
from embedded.pods import secrets as pod_secrets
from embedded.pods.container import Container
from embedded.pods.event_loop import EventLoop, Stopped
from embedded.pods.image_puller import Puller
from embedded.pods.images import IN_CONTAINER
from embedded.pods.launch import MARKER, Launch, Secrets, launch, launch_container
from embedded.pods.manifest import PodManifest
from embedded.pods.pod_dir import Parameters, PodFolder
from embedded.pods.secrets import SecretFiles
from embedded.pods.status import PodStatus, WaitingReason, waiting

_SECRETS_LOOK_SECONDS = 0.05


class Runner:
    """Runs one pod once."""

    def __init__(self, folder: PodFolder, pod: PodManifest, parameters: Parameters) -> None:
        self._folder = folder
        self._spec = pod.spec
        self._parameters = parameters
        self._credentials = Credentials(Path(parameters.credentials))
        self._uid = pod.metadata.uid
        self._basis = {**parameters.environment, MARKER: self._uid}
        self._status = PodStatus(self._spec)
        self._names = {container.name for container in self._spec.every}
        self._loop = EventLoop(self._spec, self._on_change, self._status.end)
        self._puller = Puller(folder, parameters, self._loop)
        self._own = processes.identify(os.getpid())

    def run(self) -> None:
        """Run the pod until it has ended and its final status is written."""
        processes.record(self._folder, [self._own])
        with suppress(Stopped):
            self._live()
        processes.kill_descendants()
        self._folder.write_status(self._status.status(final=True))

    def _live(self) -> None:
        secrets = self._await_secrets()
        self._make_volumes(secrets)
        secrets |= self._users_secrets()
        for container in self._spec.init_containers:
            started = self._start(container, secrets)
            self._loop.wait(lambda started=started: started.ended)  # type: ignore[misc] # a lambda's default has no type
            if self._status.exit_code(started.name) != 0:
                return
        for container in self._spec.containers:
            self._start(container, secrets, self._entry_point(container))
        self._loop.wait(lambda: not self._loop.running)

    def _await_secrets(self) -> dict[str, dict[str, bytes]]:
        """A Secret is made after its pod, so that the pod can own it."""
        files = SecretFiles(Path(self._parameters.secrets))
        found: dict[str, dict[str, bytes]] = {}
        wanted = self._spec.own_secrets()

        def complete() -> bool:
            found.update((name, s) for name in wanted - set(found) if (s := files.read(name)) is not None)
            return wanted == set(found)

        if not complete():
            missing = ", ".join(sorted(wanted - set(found)))
            self._show(self._first_name(), waiting(WaitingReason.CREATING, f"waiting for the Secret {missing}"))
        self._loop.wait(complete, pause_seconds=_SECRETS_LOOK_SECONDS)
        return found

    def _users_secrets(self) -> dict[str, dict[str, bytes]]:
        """Those that the pod refers to, as far as they are there: the sidecar names what is missing."""
        found = {}
        for source in self._spec.projected:
            values = {item.key: self._credentials.read(source.name, item.key) for item in source.items}
            found[source.name] = {key: value for key, value in values.items() if value is not None}
        return found

    def _make_volumes(self, secrets: Secrets) -> None:
        for volume in self._spec.volumes:
            folder = self._folder.volume(volume.name)
            folder.mkdir(mode=0o700, parents=True)
            if volume.secret:
                try:
                    pod_secrets.mount(volume.secret, secrets[volume.secret.secret_name], folder)
                except Refused as exc:
                    self._give_up(self._first_name(), waiting(WaitingReason.CREATING, exc.message))
            if volume.projected:
                pod_secrets.mount_users(volume.projected.secrets, self._credentials, folder)

    def _entry_point(self, container: manifest.Container) -> str | None:
        """None for our own image; a connector's is installed first."""
        if container.image == self._parameters.sidecar_image:
            return None
        return self._puller.entry_point(container.image, lambda state: self._show(container.name, state))

    def _start(self, container: manifest.Container, secrets: Secrets, entry_point: str | None = None) -> Container:
        # The sweeper is in the process that owns this pod, and the next one's sweep concludes what is left of it.
        ours = {"SWEEP_WAIT_SECONDS": "0"} if container.image == self._parameters.sidecar_image else {}
        try:
            if entry_point == IN_CONTAINER:
                prepared = self._launch_container(container, secrets)
            else:
                prepared = launch(
                    container,
                    self._folder,
                    secrets,
                    self._basis | ours,
                    entry_point=entry_point,
                    path_variables=self._parameters.path_variables,
                )
        except Refused as exc:
            self._give_up(container.name, waiting(WaitingReason.CONFIG_ERROR, exc.message))
            raise
        return self._loop.start(prepared)

    def _launch_container(self, container: manifest.Container, secrets: Secrets) -> Launch:
        from embedded import settings

        # The program needs its user's own: where its daemon and its images are.
        client = settings.environment() | {MARKER: self._uid}
        runtime = self._parameters.images.runtime
        return launch_container(container, self._folder, secrets, self._uid, runtime, client)

    def _give_up(self, name: str, state: ContainerState) -> None:
        """Wait to be deleted: the pod and its Secret never change, so neither will what is wrong."""
        self._show(name, state)
        self._loop.wait(lambda: False)

    def _first_name(self) -> str:
        return self._spec.every[0].name

    def _show(self, name: str, state: ContainerState) -> None:
        self._status.set(name, state)
        self._folder.write_status(self._status.status())

    def _on_change(self, container: Container) -> None:
        running = self._loop.running.values()
        processes.record(self._folder, [self._own, *(i for c in running for i in c.identities)])
        if container.name in self._names and container.state is not None:
            self._show(container.name, container.state)


def main(folder: PodFolder) -> None:
    """Run the pod in `folder`."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A signal to all processes of a service must not end this one: its owner ends it in order.
    # Handlers, because containers would inherit SIG_IGN.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    processes.become_subreaper()
    try:
        pod = manifest.read(folder.pod.read_bytes())
    except FileNotFoundError:
        return
    parameters = msgspec.json.decode(folder.parameters.read_bytes(), type=Parameters)
    Runner(folder, pod, parameters).run()


if __name__ == "__main__":
    main(PodFolder(Path(sys.argv[1])))
