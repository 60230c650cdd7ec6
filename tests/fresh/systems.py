"""Minimal Debian systems as tar files: made once by debootstrap, and kept."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fresh.cells import Suite
from tests.fresh.settings import FreshSettings

PACKAGES = "python3,python3-venv,make,git,ca-certificates"
SCRIPTS = Path("/usr/share/debootstrap/scripts")
_ISOLATED = ("unshare", "--mount", "--propagation", "private")  # what debootstrap mounts is gone with it


class Unusable(Exception):
    """This machine cannot make or run fresh ones; the message tells what it takes."""


def require() -> None:
    """Raise Unusable if this machine cannot do it; install debootstrap where apt can."""
    if os.geteuid() != 0:
        raise Unusable("New systems are made and entered by root: run `sudo make test-fresh`.")
    if shutil.which("debootstrap"):
        return
    if not shutil.which("apt-get"):
        raise Unusable("debootstrap is missing, and there is no apt-get to install it by. Install it, or use a Debian.")
    environment = {"DEBIAN_FRONTEND": "noninteractive", "PATH": f"{os.defpath}:/usr/sbin:/sbin"}
    for command in (("update", "-qq"), ("install", "-y", "-qq", "debootstrap")):
        subprocess.run(["apt-get", *command], check=True, env=environment, stdout=subprocess.DEVNULL)


def tar_of(suite: Suite, settings: FreshSettings) -> Path:
    """Return the system's tar file, which is made if it is not there."""
    kept = settings.cache / f"{suite}.tar"
    if kept.exists():
        return kept
    settings.cache.mkdir(parents=True, exist_ok=True)
    mirror = settings.mirror or mirror_of(Path("/etc/apt"))
    # Older debootstraps have no script of a newer release's name; all of Debian's are the same one.
    script = [] if (SCRIPTS / suite).exists() else ["sid"]
    with TemporaryDirectory(prefix=f"new.{suite}.", dir=settings.cache) as folder:
        system, tar = Path(folder) / "system", Path(folder) / "tar"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(system), mirror, *script]
        made = subprocess.run([*_ISOLATED, *command], check=False, capture_output=True, text=True)
        if made.returncode:
            raise Unusable(f"debootstrap could not make {suite} from {mirror}:\n{made.stdout[-2000:]}{made.stderr}")
        subprocess.run(["tar", "-C", system, "-cf", tar, "."], check=True)
        tar.rename(kept)
    return kept


def mirror_of(apt: Path) -> str:
    """Return where this machine's apt gets Debian from."""
    files = [
        *sorted(apt.glob("sources.list.d/*.sources")),
        *sorted(apt.glob("sources.list.d/*.list")),
        apt / "sources.list",
    ]
    text = "\n".join(path.read_text() for path in files if path.exists())
    found: list[str] = re.findall(r"(?m)^(?:URIs:|deb(?: +\[[^]]*\])?) +(http\S+)", text)
    mirrors = [address for address in found if "security" not in address]
    if not mirrors:
        raise Unusable(f"{apt} names no mirror of Debian. Name one: FRESH_MIRROR=http://... make test-fresh")
    return mirrors[0]
