"""pip's settings for uv, and output without passwords."""

import subprocess
import sys
from pathlib import Path

import pytest

from embedded.connectors import package_settings


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose pip.conf names an index of its own."""
    conf = tmp_path / ".config" / "pip" / "pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(
        "[global]\nindex-url = http://one.test/simple\n"
        "extra-index-url =\n  http://two.test/simple\n  http://three.test/simple\n"
        "[install]\nfind-links = /a /b\n[download]\nfind-links = /c\n"
    )
    return {"HOME": str(tmp_path), "PIP_CERT": "/a folder/cert.pem"}


def test_uv_gets_what_pips_files_and_variables_name(home: dict[str, str]) -> None:
    """Lists in uv's own forms."""
    assert package_settings.for_uv(home) == {
        "UV_DEFAULT_INDEX": "http://one.test/simple",
        "UV_INDEX": "http://two.test/simple http://three.test/simple",
        "UV_FIND_LINKS": "/a,/b",
        "SSL_CERT_FILE": "/a folder/cert.pem",
    }


def test_variables_outweigh_files_and_uvs_outweigh_pips(home: dict[str, str]) -> None:
    """As each program has it."""
    given = home | {"PIP_INDEX_URL": "http://four.test/simple", "UV_INDEX": "http://five.test/simple"}
    found = package_settings.for_uv(given)
    assert found["UV_DEFAULT_INDEX"] == "http://four.test/simple"
    assert "UV_INDEX" not in found


@pytest.mark.parametrize(
    ("setting", "output"),
    [
        ("http://me:hidden@host/simple", "cannot reach http://me:hidden@host/simple"),
        ("me:hidden@host/simple", "no such folder: /work/me:hidden@host/simple"),
        ("http://me:hidden/more@host/simple", "Port could not be cast to integer value as 'hidden'"),
        ("http://hidden@host:99999/", "invalid value 'http://hidden@host:99999/': invalid port number"),
        ("", "reading 'https://me:hidden@host' of uv.toml"),
    ],
)
def test_no_form_of_an_address_shows_its_password(setting: str, output: str) -> None:
    """Neither in whole nor in part, whether it can be parsed or not."""
    assert "hidden" not in package_settings.redact(output, [setting])


def test_other_output_stays_as_it_is() -> None:
    """Versions and requirements have an @, too."""
    output = "cpython@3.12: tiny @ https://host/tiny.whl, mail a@b.test, at 10:00"
    assert package_settings.redact(output, ["http://host/simple"]) == output


def test_a_program_runs_without_passwords_in_its_output() -> None:
    """And its exit code is handed on."""
    code = "import sys; print('http://me:hidden@host'); sys.exit(7)"
    command = [sys.executable, "-I", package_settings.__file__, sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "http://***@host\n")


def test_a_shell_can_evaluate_the_variables(home: dict[str, str]) -> None:
    """Also with blanks."""
    script = f'eval "$({sys.executable} -I {package_settings.__file__})"; printf %s "$SSL_CERT_FILE"'
    assert subprocess.check_output(["sh", "-c", script], text=True, env=home) == "/a folder/cert.pem"
