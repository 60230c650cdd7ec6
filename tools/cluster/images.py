"""Images: the cluster's own, and those that tests build with buildah."""

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.cluster import archives, builds, daemons
from tools.cluster.archives import Image
from tools.cluster.processes import ClusterError, Part, digest, lock, phase, run, say, show, succeeds, wait_until
from tools.cluster.settings import BASE_IMAGE, CACHE, HERE, PYTHON_PACKAGES, RUN


def pause_image() -> Image:
    """What holds a pod's namespaces."""
    return Image(f"dev.local/pause:{builds.image_tag()}", {"/pause": builds.addons() / "pause"}, ("/pause",))


def load_own(*, with_knative: bool) -> None:
    """Loads the images of the cluster itself, those that are not there yet."""
    with phase("system images"):
        wait_until("containerd answers", lambda: succeeds(*daemons.CTR, "version"), daemons.dead)
        _import([pause_image(), *([_envoy_image(), *_knative_images()] if with_knative else [])])


def load(archives_of_images: Iterable[str]) -> None:
    """Loads docker or OCI archives into the cluster."""
    for archive in archives_of_images:
        say(run(*daemons.CTR, "images", "import", Path(archive).resolve()).rstrip())


def is_loaded(name: str) -> bool:
    """Whether the running cluster has an image."""
    return daemons.alive("containerd") and name in run(*daemons.CTR, "images", "list", "--quiet").split()


def build_base() -> None:
    """Makes the image that stands in for python:3.11-slim, unless it is there."""
    dockerfile = HERE / "base_image" / "Dockerfile"
    builds.install_packages()
    with lock("images"):
        filesystem = builds.once(CACHE / f"base-{digest(dockerfile, PYTHON_PACKAGES)}", _make_root_filesystem)
        label = f"sync-cluster.base={filesystem.name}"
        if _buildah("images", "--quiet", "--filter", f"label={label}"):
            return
        with phase(f"build {BASE_IMAGE}"):
            options = ("--quiet", "--isolation", "chroot", "--pull-never", "--label", label, "--tag", BASE_IMAGE)
            _buildah("build", *options, "--file", dockerfile, filesystem)


def build(name: str, dockerfile: str, context: str, arguments: Iterable[str], output: str | None) -> None:
    """Builds an image from a Dockerfile and, if the cluster runs, loads it."""
    build_base()
    given = [part for value in arguments for part in ("--build-arg", value)]
    with tempfile.TemporaryDirectory() as folder, phase(f"build {name}"):
        mounts = _pip_settings(Path(folder))
        options = ("--isolation", "chroot", "--pull-never", "--layers", *mounts, *given, "--tag", name)
        show(*_buildah_command("build", *options, "--file", dockerfile, context))
    load_built(name, output)


def load_built(name: str, output: str | None = None) -> None:
    """Loads an image that buildah has into the cluster, if that runs; keeps the archive at `output`."""
    if not output and not daemons.alive("containerd"):
        say(f"the cluster is down: {name} is built but not loaded")
        return
    with tempfile.TemporaryDirectory() as folder, phase(f"load {name}"):
        archive = Path(output or f"{folder}/image.tar")
        archive.unlink(missing_ok=True)
        _buildah("push", "--quiet", name, f"docker-archive:{archive}:{name}")
        if daemons.alive("containerd"):
            run(*daemons.CTR, "images", "import", archive)


def _envoy_image() -> Image:
    program = builds.envoy()
    libraries = re.findall(r"(/\S+) \(0x", run("ldd", program))
    files = {path: Path(path) for path in libraries} | {"/usr/local/bin/envoy": program}
    return Image(f"dev.local/envoy:{builds.image_tag()}", files, ("/usr/local/bin/envoy",))


def _knative_images() -> Iterator[Image]:
    for program in sorted((builds.knative() / "images").glob("*/*")):
        name = f"dev.local/{program.parent.name}-{program.name}:{builds.image_tag()}"
        yield Image(name, {f"/{program.name}": program}, (f"/{program.name}",))


def _import(images: Iterable[Image]) -> None:
    present = set(run(*daemons.CTR, "images", "list", "--quiet").split())
    wanted = [image for image in images if image.name not in present]
    if not wanted:
        return
    command = [str(part) for part in (*daemons.CTR, "images", "import", "-")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as importing:
        if importing.stdin is None:  # Popen types it so
            raise AssertionError(command)
        archives.write(importing.stdin, wanted)
        importing.stdin.close()
    if importing.returncode:
        raise ClusterError("containerd did not take the images; `logs containerd` says why")


def _buildah_command(*arguments: Part) -> list[Part]:
    # Everything below our own folders: the user's own buildah images are neither seen nor touched.
    storage = ("--root", CACHE / "buildah", "--runroot", RUN.with_name("sync-cluster-buildah"))
    return ["buildah", *storage, "--storage-driver", "overlay", *arguments]


def _buildah(*arguments: Part) -> str:
    return run(*_buildah_command(*arguments))


def _make_root_filesystem(folder: Path) -> None:
    # mmdebstrap takes apt's own configuration: mirrors, keys, certificates.
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")]
    options = ('--aptopt=APT::Install-Recommends "false"', "--dpkgopt=force-unsafe-io", *excluded)
    include = f"--include={PYTHON_PACKAGES}"
    run("mmdebstrap", "--quiet", "--variant=minbase", include, *options, "bookworm", folder / "rootfs.tar")


def _pip_settings(folder: Path) -> list[str]:
    """Mounts by which pip inside a build reaches the index as pip here does.

    Mounts, and not variables or files of the image: nothing of them stays in it.
    """
    settings: dict[str, str] = {}
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, value = line.split("=", 1)
        settings[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    lines = [f"{name} = {value}".replace("\n", "\n  ") for name, value in settings.items()]
    file = folder / "pip.conf"
    file.write_text("\n".join(["[global]", *lines, ""]))
    # Certificates and folders of wheels that the settings name.
    words = {word for value in settings.values() for word in value.split()}
    paths = [word for word in sorted(words) if word.startswith("/") and Path(word).exists()]
    mounts = [f"{file}:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in paths)]
    return [part for mount in mounts for part in ("--volume", mount)]
