#!/bin/sh
# Ask the OSV database for known vulnerabilities of all pinned packages. Called by `make audit`; needs that service.
#   AUDIT_URL    another service of the same interface, if osv.dev cannot be reached
#   AUDIT_FLAGS  more options of `uv audit`, such as --ignore GHSA-...
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# uv audits a project or a script, and no lock of pip's kind: a script of these pins is the same packages. Their markers
# stay: some are for later Pythons or other systems alone.
{
    echo '# /// script'
    echo '# requires-python = ">=3.11"'
    echo '# dependencies = ['
    sed -n 's/^\([a-z0-9][a-z0-9._-]*==[^\\]*[^ \\]\) *\\*$/#   "\1",/p' requirements.lock
    echo '# ]'
    echo '# ///'
} > "$folder/pinned.py"
# shellcheck disable=SC2086 # several options are several words
.venv/bin/uv audit --preview-features audit ${AUDIT_URL:+--service-url "$AUDIT_URL"} ${AUDIT_FLAGS:-} \
    --script "$folder/pinned.py"
