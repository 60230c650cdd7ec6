"""What the console has from others: made from their packages as the manifest says, and nothing else."""

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import msgspec
import pytest

from tools import vendor
from tools.vendor import File, Package, Unusable
from tools.vendor.__main__ import main

MODULE = 'import { a } from"other";\nexport const b = a;\n//# sourceMappingURL=b.js.map\n'
PACKAGE = Package(
    "@them/part", "1.2.3", "MIT", "LICENSE.md",
    (File("part.js", ("dist/b.js", "dist/c.js"), before="/* b, c */\n", after="export default b;\n",
          replace={'from"other"': 'from"./other.js"'}, cut=("^#!.*\\n",)),),
)  # fmt: skip


def _archive(folder: Path, **changed: str) -> Path:
    """A package as npm packs it."""
    files = {
        "package.json": json.dumps({"license": changed.get("licence", "MIT")}),
        "LICENSE.md": "Copyright: them",
        "dist/b.js": changed.get("module", MODULE),
        "dist/c.js": "#!node\nexport const c = 1;\n",
    }
    path = folder / "part.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def test_what_is_there_is_what_the_manifest_says() -> None:
    """Every file in the folder, each as its package has it."""
    assert list(vendor.problems()) == []
    assert main(["--check"]) == 0


def test_a_file_is_made_from_its_package(tmp_path: Path) -> None:
    """With the changes that the manifest lists, and the licence beside it; its hash is then known."""
    archive = _archive(tmp_path)
    made = vendor.make(PACKAGE, archive, tmp_path)
    text = (tmp_path / "part.js").read_text()
    assert text == (
        '/* b, c */\nimport { a } from"./other.js";\nexport const b = a;\nexport const c = 1;\nexport default b;\n'
    )
    assert made.files[0].sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert made.sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (tmp_path / "licences/them-part.txt").read_text() == "Copyright: them"
    assert vendor.make(made, archive, tmp_path) == made
    vendor.write((made,), tmp_path / "vendor.json")
    assert vendor.packages(tmp_path / "vendor.json") == (made,)


@pytest.mark.fault(677)
def test_a_package_that_is_another_is_refused(tmp_path: Path) -> None:
    """Under the same version; and one that lacks what the manifest names, or has another licence."""
    made = vendor.make(PACKAGE, _archive(tmp_path), tmp_path)
    for package, changed, words in (
        (made, {"module": MODULE + "alert(1);"}, "its archive has the hash"),
        (PACKAGE, {"module": "export const b = 1;"}, "has no 'from\"other\"' to replace"),
        (PACKAGE, {"licence": "GPL-3.0"}, "its licence is GPL-3.0, not MIT"),
        (msgspec.structs.replace(PACKAGE, text="COPYING"), {}, "has no file COPYING"),
    ):
        with pytest.raises(Unusable, match=words):
            vendor.make(package, _archive(tmp_path, **changed), tmp_path)


@pytest.mark.fault(677)
def test_a_changed_file_is_named(tmp_path: Path) -> None:
    """So is one that is missing, and one that nobody has listed."""
    folder = tmp_path / "vendor"
    shutil.copytree(vendor.FOLDER, folder)
    manifest = folder / vendor.MANIFEST.name
    assert list(vendor.problems(manifest)) == []
    (folder / "preact.js").write_text((folder / "preact.js").read_text() + "\n")
    (folder / "htm.js").unlink()
    (folder / "licences/uplot.txt").unlink()
    (folder / "other.js").write_text("export const other = 1;")
    found = "\n".join(vendor.problems(manifest))
    for words in (
        "preact.js is not what preact", "htm.js of htm is missing", "licences/uplot.txt, the licence of uplot, is missing",
        "other.js is named by no package",
    ):  # fmt: skip
        assert words in found
    assert len(found.splitlines()) == 4
