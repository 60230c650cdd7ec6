#!/bin/sh
# Create .venv with the packages of requirements.lock, pinned and hashed.
# Called by make; safe to repeat and to interrupt: the stamp is written last.
# With --fits, exit 0 if .venv has the requested Python and was created in this folder.
set -eu
cd "$(dirname "$0")/.."
cd -P .  # what is installed names this folder, which may be reached through a link
unset PYTHONPATH
release=${OS_RELEASE:-/etc/os-release}

# Print the value of an expression in a Python. One that hangs, such as a wrapper that waits for a network, has none.
ask() {
    limit=
    ! command -v timeout >/dev/null 2>&1 || limit="timeout -k 1 10"
    known=$($limit "$1" -c "import sys; print($2)" 2>/dev/null </dev/null) && [ -n "$known" ] && echo "$known"
}

# What a Python says about itself. Python 2, which has no base_prefix, says nothing.
identity() {
    ask "$1" "sys.version, sys.base_prefix"
}

# What is in .venv names this folder, so it does not outlive a move; nor a Python of the system that became another one.
fits() {
    [ "$(cat .venv/folder 2>/dev/null)" = "$PWD" ] && ours=$(identity .venv/bin/python) || return 1
    grep -qF "version = $(echo "$ours" | cut -d. -f1,2)." .venv/pyvenv.cfg 2>/dev/null || return 1
    [ -z "${PYTHON:-}" ] || [ "$(identity "$PYTHON")" = "$ours" ]
}

if [ "${1-}" = --fits ]; then
    fits
    exit
fi

echo "Checking this machine, and then installing the packages into .venv (a minute or more) ..."

# Print the first Python that is new enough; else exit 1, and print one that can at least run scripts/preflight.py.
choose() {
    old=
    for candidate in "$@"; do
        if ! command -v "$candidate" >/dev/null 2>&1 || ! identity "$candidate" >/dev/null; then
            continue
        fi
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$candidate"
            return
        fi
        if [ -z "$old" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 6))'; then
            old=$candidate
        fi
    done
    echo "$old"
    return 1
}

# The message of scripts/preflight.py for machines without a Python that could run it.
no_python() {
    sudo=
    [ "$(id -u)" = 0 ] || sudo="sudo "
    apt="${sudo}apt update && ${sudo}apt install python3 python3-venv"
    dnf="${sudo}dnf install python3"
    pacman="${sudo}pacman -Syu python"
    case " $(sed -n "s/^ID\(_LIKE\)\{0,1\}=//p" "$release" 2>/dev/null | tr -d "\"'" | tr '\n' ' ')" in
        *" debian "* | *" ubuntu "*) install=$apt ;;
        *" fedora "* | *" rhel "* | *" centos "*) install=$dnf ;;
        *" arch "*) install=$pacman ;;
        *) install="$apt, or $dnf, or $pacman" ;;
    esac
    another="Name another: make PYTHON=/path/to/python3 demo"
    if [ -n "${PYTHON:-}" ] && version=$(ask "$PYTHON" '"%d.%d.%d" % sys.version_info[:3]'); then
        echo "missing: Python 3.11 or newer; $PYTHON is $version. $another" >&2
    elif [ -n "${PYTHON:-}" ]; then
        echo "missing: $PYTHON is no Python that runs. $another" >&2
    else
        echo "missing: Python 3.11 or newer. Install it: $install" >&2
    fi
}

if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
else
    set -- python3 python3.14 python3.13 python3.12 python3.11
fi
python=$(choose "$@") || new_enough=no
if [ -z "$python" ]; then
    no_python
    exit 1
fi

# Debian and Ubuntu leave venv out of their python3 package.
if [ "${new_enough-yes}" = yes ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null &&
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "Installing python$version-venv, which Debian and Ubuntu leave out of Python ..."
    # The package lists of a fresh machine are empty or old. If this fails, the preflight below says what to do.
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$version-venv" >/dev/null; } || true
fi

"$python" scripts/preflight.py --os-release "$release"

if ! fits; then
    rm -rf .venv
    "$python" -m venv .venv
fi
# Malformed addresses of an index are shown by pip and uv as they are.
without_passwords() {
    .venv/bin/python -I embedded/connectors/package_settings.py "$@"
}

# A stamp of an earlier run must not count if this one is interrupted.
rm -f .venv/ready
# uv installs the rest eight times faster than pip. Its own line of the lock pins it.
awk '/^[a-z0-9]/ {keep = ($0 ~ /^uv==/)} keep' requirements.lock > .venv/uv.lock
echo "Installing the pinned packages into .venv ..."
without_passwords .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock

# uv reads neither pip's variables nor its files, so that a package index of one's own has to be handed on.
settings=$(.venv/bin/python -I embedded/connectors/package_settings.py)
eval "$settings"

# Copies, not links: a cache on another file system, or one that is cleaned, must not matter.
without_passwords .venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode --link-mode copy requirements.lock
without_passwords .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
# Every task starts two processes of ours; where Python may not write bytecode, each would compile them again.
.venv/bin/python -m compileall -q common embedded functions sidecar syncctl
.venv/bin/python -c 'import syncctl'
pwd > .venv/folder
touch .venv/ready
