"""`python -m tools.vendor` gets the parts that the console has from others again, by npm; --check compares hashes.

`python -m tools.vendor preact@11.3.0` takes that version of a package from now on. Afterwards: `python -m
scripts.licences`, and the tests of the console.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from tools import vendor
from tools.vendor import Package, Unusable


def main(arguments: list[str]) -> int:
    """Write the files and the manifest; with --check return 1 if one of them is another."""
    if arguments == ["--check"]:
        found = list(vendor.problems())
        for line in found:
            sys.stderr.write(f"{line}\n")
        return 1 if found else 0
    try:
        vendor.write(tuple(map(_made, _chosen(arguments))))
    except Unusable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _chosen(arguments: list[str]) -> list[Package]:
    """Return all packages, those that are named in the version that is asked for."""
    versions = dict(one.rpartition("@")[::2] for one in arguments)
    known = vendor.packages()
    if unknown := versions.keys() - {one.name for one in known}:
        raise Unusable(f"Not in {vendor.MANIFEST.name}: {', '.join(unknown)}; expected NAME@VERSION")
    changed = {one.name for one in known if versions.get(one.name, one.version) != one.version}
    return [
        msgspec.structs.replace(one, version=versions[one.name], sha256="") if one.name in changed else one
        for one in known
    ]


def _made(package: Package) -> Package:
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{package.name}@{package.version}"
        command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, wanted]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise Unusable(f"npm could not get {wanted}.")
        made = vendor.make(package, archives[0], vendor.FOLDER)
    sys.stdout.write(f"{package.name} {package.version}: {', '.join(file.path for file in made.files)}\n")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
