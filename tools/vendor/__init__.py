"""The parts that the console has from others: what they are made from, and whether they are that still."""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "functions/console/static/vendor"
MANIFEST = FOLDER / "vendor.json"
LICENCES = "licences"
_MAP = "//# sourceMappingURL="


class File(Struct, frozen=True, omit_defaults=True):
    """A file that is made: from these files of the package, one after the other, with these changes."""

    path: str
    """Below FOLDER."""
    sources: tuple[str, ...]
    """Below the package's folder."""
    sha256: str = ""
    before: str = ""
    after: str = ""
    replace: dict[str, str] = {}
    """Each of these texts is there, and gives way to another one."""
    cut: tuple[str, ...] = ()
    """What is left out, as patterns over all sources together; ^ is a line's begin."""


class Package(Struct, frozen=True, omit_defaults=True):
    """A package of the npm registry; `sha256` is of its archive, `text` the file that has its licence."""

    name: str
    version: str
    licence: str
    text: str
    files: tuple[File, ...]
    sha256: str = ""

    @property
    def terms(self) -> File:
        """The licence, as it lies beside the files."""
        return File(f"{LICENCES}/{self.name.removeprefix('@').replace('/', '-')}.txt", (self.text,))


class Unusable(Exception):
    """A package is not what the manifest says; tells which, and in what."""


def packages(manifest: Path = MANIFEST) -> tuple[Package, ...]:
    """Return what the manifest names."""
    return msgspec.json.decode(manifest.read_bytes(), type=tuple[Package, ...])


def write(found: tuple[Package, ...], manifest: Path = MANIFEST) -> None:
    """Write the manifest."""
    text = json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False)
    manifest.write_text(f"{text}\n", encoding="utf-8")


def problems(manifest: Path = MANIFEST) -> Iterator[str]:
    """Yield what is not as the manifest has it: files that were changed, that are missing, or that nothing names."""
    folder, named = manifest.parent, {manifest}
    for package in packages(manifest):
        for file in package.files:
            path = folder / file.path
            named.add(path)
            if not path.exists():
                yield f"{file.path} of {package.name} is missing"
            elif _hash(path.read_bytes()) != file.sha256:
                yield f"{file.path} is not what {package.name} {package.version} has: change the manifest, not the file"
        terms = folder / package.terms.path
        named.add(terms)
        if not terms.exists():
            yield f"{package.terms.path}, the licence of {package.name}, is missing"
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in named:
            yield f"{path.relative_to(folder)} is named by no package of the manifest"


def make(package: Package, archive: Path, folder: Path) -> Package:
    """Write a package's files; return it with their hashes. Raise Unusable if the archive is another than it was."""
    found = _hash(archive.read_bytes())
    if package.sha256 not in {"", found}:
        raise Unusable(f"{package.name} {package.version}: its archive has the hash {found}, not {package.sha256}")
    with tarfile.open(archive) as opened:
        files = tuple(_made(package, file, opened, folder) for file in package.files)
        _made(package, package.terms, opened, folder)
        stated = str(json.loads(_member(package, opened, "package.json")).get("license"))
    if stated != package.licence:
        raise Unusable(f"{package.name} {package.version}: its licence is {stated}, not {package.licence}")
    return msgspec.structs.replace(package, files=files, sha256=found)


def _made(package: Package, file: File, archive: tarfile.TarFile, folder: Path) -> File:
    content = _changed(package, file, [_member(package, archive, source) for source in file.sources]).encode()
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return msgspec.structs.replace(file, sha256=_hash(content))


def _changed(package: Package, file: File, texts: list[str]) -> str:
    whole = "".join(text if text.endswith("\n") else f"{text}\n" for text in texts[:-1]) + texts[-1]
    lines = whole.splitlines(keepends=True)
    # Their maps are not served, and a browser's tools would ask for them.
    text = "".join(line for line in lines if not line.startswith(_MAP))
    for pattern in file.cut:
        text, count = re.subn(pattern, "", text, flags=re.MULTILINE)
        if not count:
            raise Unusable(f"{package.name} {package.version}: {file.path} has nothing like {pattern!r} to cut")
    for old, new in file.replace.items():
        if old not in text:
            raise Unusable(f"{package.name} {package.version}: {file.path} has no {old!r} to replace")
        text = text.replace(old, new)
    return file.before + text + file.after


def _member(package: Package, archive: tarfile.TarFile, path: str) -> str:
    try:
        member = archive.extractfile(f"package/{path}")
    except KeyError:
        member = None
    if member is None:
        raise Unusable(f"{package.name} {package.version} has no file {path}")
    return member.read().decode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
