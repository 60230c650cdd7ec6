"""Write docs/reference/licences.md: the licence of each pinned package, from the metadata of those in .venv.

Called by `make lock`; a test compares the page with requirements.lock, and its licences with those that are accepted.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from tools import vendor

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reference/licences.md"
LOCKS = {
    "functions": "images/functions/requirements.lock",
    "sidecar": "images/sidecar/requirements.lock",
    "development": "images/development/requirements.lock",
}
_ROW = re.compile(r"^\| ([a-z0-9][a-z0-9.-]*) \| (.+?) \| (.*?) \|$", re.MULTILINE)

# Other words than SPDX's (https://spdx.org/licenses/). Those that are content with "BSD License" (cheroot,
# itsdangerous, jinja2, ...) have three clauses.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU LGPL v3+": "LGPL-3.0-or-later",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "https://www.apache.org/licenses/LICENSE-2.0": "Apache-2.0",
}


def pinned(lock: str = "requirements.lock") -> list[str]:
    """Return the names in a lock."""
    return re.findall(r"^([a-z0-9][a-z0-9.-]*)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)


def licence(package: Distribution) -> str:
    """Return the licence of a package's metadata, as an SPDX expression where it is one or has an entry above; else of
    its text's title."""
    metadata = package.metadata.json
    first = [line.strip() for line in str(metadata.get("license", "")).strip().splitlines()[:1]]
    classifiers = [str(one).rpartition(" :: ")[2] for one in metadata.get("classifier", []) if "License ::" in str(one)]
    for stated in (metadata.get("license_expression"), *first, *classifiers):
        if stated:
            return _SPDX.get(str(stated), str(stated))
    texts = [package.read_text(f"licenses/{name}") or "" for name in package.metadata.get_all("License-File") or ()]
    titles = [line.strip() for text in texts for line in text.strip().splitlines()[:1]]
    return next((_SPDX[title] for title in titles if title in _SPDX), "not stated")


def written() -> dict[str, tuple[str, str]]:
    """Return the page's rows: licence and images, by package."""
    _, _, body = PAGE.read_text(encoding="utf-8").partition("|---|---|---|\n")
    body = body.partition("\n## ")[0]
    return {name: (stated, images) for name, stated, images in _ROW.findall(body)}


def found() -> dict[str, str]:
    """Return the licences of the pinned packages that this system has: some are for others alone."""
    licences = {}
    for name in pinned():
        try:
            licences[name] = licence(distribution(name))
        except PackageNotFoundError:
            continue
    return licences


def images_of(name: str) -> str:
    """Return the images that have a package."""
    return ", ".join(image for image, lock in LOCKS.items() if name in pinned(lock))


def page(before: dict[str, tuple[str, str]]) -> str:
    """Return the page's text; a package that this system lacks keeps its row."""
    known = {name: stated for name, (stated, _) in before.items()} | found()
    rows = [f"| {name} | {known.get(name, 'not stated')} | {images_of(name)} |" for name in pinned()]
    return _HEAD + "\n".join(rows) + "\n" + console()


def console() -> str:
    """Return the section on what is in the console."""
    folder = f"../../{vendor.FOLDER.relative_to(ROOT)}"
    rows = [
        f"| {one.name} | {one.version} | [{one.licence}]({folder}/{one.terms.path}) "
        f"| {', '.join(f'`{file.path}`' for file in one.files)} |"
        for one in vendor.packages()
    ]
    return _CONSOLE + "\n".join(rows) + "\n"


_HEAD = """\
# Licences

Of all packages that `requirements.lock` pins, as their metadata name them (SPDX), and the images that have them: the
rest is for development and for the edition on one machine. `make lock` writes this page, and a test refuses a licence
that was not accepted before. A package for other systems alone keeps its row, or gets one by hand. Connectors have
licences of their own, and are part of no image.

| package | licence | images |
|---|---|---|
"""

_CONSOLE = """
## In the console

Parts of the page that a browser gets, with the function `console`: unchanged but for what
`functions/console/static/vendor/vendor.json` lists, which has their hashes. `python -m tools.vendor` gets them again,
and `make check` compares. Their licences' texts are beside them, and are handed out with them.

| package | version | licence | files |
|---|---|---|---|
"""

if __name__ == "__main__":
    PAGE.write_text(page(written() if PAGE.exists() else {}), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len(pinned())} packages\n")
