#!/bin/sh
# Makes .venv with everything this project needs, pinned and hashed by requirements.lock.
# Called by make; safe to run again and to interrupt: the stamp is written last.
set -eu
cd "$(dirname "$0")/.."

python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "sync-functions needs Python 3.11 or newer; none of python3, python3.11 ... was found." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3 demo" >&2
    exit 1
fi

# Debian and Ubuntu leave venv out of their python3 package.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing python$version-venv, which Debian and Ubuntu leave out of Python ..."
        # The package lists of a fresh machine are empty or old.
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$version-venv" >/dev/null
    else
        echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python$version-venv" >&2
        exit 1
    fi
fi

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -c 'import sys, pip' 2>/dev/null; then
    rm -rf .venv
    "$python" -m venv .venv
fi
# uv installs the rest eight times faster than pip. Its own line of the lock pins it.
awk '/^[a-z0-9]/ {keep = ($0 ~ /^uv==/)} keep' requirements.lock > .venv/uv.lock
echo "Installing the pinned packages into .venv ..."
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
# Copies, not links: a cache on another file system, or one that is cleaned, must not matter.
.venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode --link-mode copy requirements.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
# Every task starts two processes of ours; where Python may not write bytecode, each would compile them again.
.venv/bin/python -m compileall -q common embedded functions sidecar syncctl
.venv/bin/python -c 'import syncctl'
touch .venv/ready
