"""docs/reference/licences.md: what we pass on, and under which terms."""

import re

import pytest

from scripts import licences
from tools import vendor

ACCEPTED = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}
"""In images, which are passed on."""
BESIDE = {"LGPL-3.0-or-later"}
"""For development alone."""


def test_the_page_is_what_the_pinned_packages_state() -> None:
    """Each package of the lock, with the images that have it; those for other systems keep their row."""
    assert licences.page(licences.written()) == licences.PAGE.read_text(encoding="utf-8"), "make lock writes it"


def test_every_licence_is_accepted() -> None:
    """A new one is looked at by a person first; whatever is in an image may be passed on with it."""
    for name, (stated, images) in licences.written().items():
        parts = set(re.split(r" (?:AND|OR) ", stated))
        assert parts <= (ACCEPTED if images else ACCEPTED | BESIDE), f"{name}: {stated}"


def test_every_licence_of_the_console_s_parts_is_accepted() -> None:
    """They are passed on to every browser, with the texts that they ask for."""
    for package in vendor.packages():
        assert package.licence in ACCEPTED, package.name
        assert "copyright" in (vendor.FOLDER / package.terms.path).read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("lock", licences.LOCKS.values())
def test_an_image_s_lock_is_part_of_the_whole_one(lock: str) -> None:
    """The same versions with the same hashes, each package with one at least, and from no index that is named."""
    whole, part = _hashes("requirements.lock"), _hashes(lock)
    assert part
    assert all(part.values())
    assert {name: whole.get(name) for name in part} == part
    assert "://" not in (licences.ROOT / lock).read_text(encoding="utf-8")


def _hashes(lock: str) -> dict[str, set[str]]:
    text = (licences.ROOT / lock).read_text(encoding="utf-8")
    pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    return {pin.split()[0]: set(re.findall(r"sha256:[0-9a-f]{64}", pin)) for pin in pins if pin.strip()}


def test_every_image_is_built_from_hashed_wheels() -> None:
    """A build of an image runs no package's code."""
    for dockerfile in sorted(licences.ROOT.glob("images/*/Dockerfile")):
        text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
        [install] = [line for line in text.splitlines() if "pip " in line and " install " in line]
        assert "--require-hashes" in install, dockerfile
        assert "--only-binary :all:" in install, dockerfile
