"""The documents against the code: tables, commands, paths and links."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import click
import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from typer.main import get_command
from typer.testing import CliRunner

from common import VERSION
from common.settings import Settings, variable
from syncctl.cli import app
from syncctl.exit_codes import ExitCode
from syncctl.kn.cli import app as plugin
from tests.support.docs import (
    ARCHITECTURE,
    COMMAND_LINE,
    CONTRIBUTING,
    README,
    ROOT,
    SETTINGS,
    TUTORIAL,
    code,
    console,
    read,
    rows,
    section,
)

_PATTERNS = ("*.md", "docs/**/*.md", "tests/*/README.md", "tools/*/README.md")
DOCUMENTS = tuple(sorted(str(path.relative_to(ROOT)) for pattern in _PATTERNS for path in ROOT.glob(pattern)))
TEXTS = {document: read(document) for document in DOCUMENTS}
CODE = ("common", "embedded", "functions", "sidecar", "syncctl")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
_OPERATORS = frozenset({"|", ">", "&&", ";"})


def _make_targets() -> dict[str, str]:
    return dict(re.findall(r"^([a-z][a-z-]*):.*## (.*)$", MAKEFILE, re.MULTILINE))


def test_the_make_targets_are_the_makefile_s() -> None:
    """Names and descriptions, in the Makefile's order."""
    expected = [[f"`make {name}`", text] for name, text in _make_targets().items()]
    assert rows(section(CONTRIBUTING, "Make targets")) == expected


def test_every_make_command_has_a_target() -> None:
    """Named in any document; the README has the two that a newcomer needs, and no more."""
    named = {word for text in TEXTS.values() for word in re.findall(r"`make ([a-z-]+)`", text)}
    assert named <= _make_targets().keys()
    assert list(console(README)) == ["make demo", "make test"]
    assert [command for command in console(TUTORIAL) if command.startswith("make ")] == ["make serve"]


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "random"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`".replace(VERSION, "VERSION") if value not in (None, "", {}, ()) else ""


def settings_table() -> str:
    """The table of the functions' settings, as it has to be."""
    rows = [
        f"| {variable(name)} | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def test_the_configuration_table_is_the_settings_class() -> None:
    """Every variable, its default and its description; the message shows the table to paste."""
    expected = settings_table()
    assert expected in section(SETTINGS, "Functions"), f"The table of settings.md must be:\n\n{expected}\n"


def test_settings_without_effect_are_named_as_such() -> None:
    """A setting that nothing reads is listed below the table, and no other."""
    sources = [path for room in CODE for path in (ROOT / room).rglob("*.py") if path != ROOT / "common/settings.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    unread = {
        variable(name)
        for name in Settings.model_fields
        if not re.search(rf"\.(require_)?{name}\b|{variable(name)}\b", text)
    }
    paragraph = re.search(r"^Without effect so far.*?\n\n", SETTINGS, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"SYNCCTL_\w+", paragraph[0] if paragraph else "")) == unread


def test_every_other_variable_is_documented() -> None:
    """What the command line and the embedded edition read beside Settings; nothing that does not exist."""
    read = {
        name
        for room in ("embedded", "syncctl")
        for path in (ROOT / room).rglob("*.py")
        for name in re.findall(r"SYNCCTL_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
    }
    settings = {variable(name) for name in Settings.model_fields}
    table = {row[0] for row in rows(SETTINGS)}
    assert table == settings | read
    assert {name for text in TEXTS.values() for name in re.findall(r"SYNCCTL_[A-Z_]*[A-Z]", text)} <= table | {
        "SYNCCTL_CONFIG_PATH",
        "SYNCCTL_AUTH_KEY",
    }


def test_one_version_of_the_example_s_connector_is_named() -> None:
    """Whoever goes from one document to the next installs it once."""
    versions = [set(re.findall(r"source-faker(?::|&version=)([0-9.]*[0-9])", text)) for text in TEXTS.values()]
    assert len(set().union(*versions)) == 1, versions


def test_the_exit_codes_are_the_command_line_s() -> None:
    """Numbers and names."""
    expected = [[str(code.value), code.name] for code in ExitCode]
    assert [row[:2] for row in rows(section(COMMAND_LINE, "Exit codes"))] == expected


def _commands(group: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """All commands by their words, those of groups too."""
    found: dict[tuple[str, ...], Any] = {}
    for name, command in group.commands.items():
        found |= _commands(command, (*path, name)) if hasattr(command, "commands") else {(*path, name): command}
    return found


def _command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words begin with, and the rest of them."""
    command: Any = get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_the_verbs_of_kn_sync_are_the_plugins() -> None:
    """All of them, in its how-to."""
    named = {word for row in rows(section(read("docs/how-to/use-kn.md"), "Verbs")) for word in row[0].split()}
    verbs = {word.strip("`,") for word in named if word.strip("`,").islower()} - {"kn", "sync", "-f"}
    assert set(get_command(plugin).commands) == verbs  # type: ignore[attr-defined] # a group


def test_the_commands_are_the_command_line_s() -> None:
    """All of them, with their arguments, in the order of `syncctl --help`."""
    listed = [row[0].strip("`").split()[1:] for row in rows(section(COMMAND_LINE, "Commands"))]
    commands = _commands(get_command(app))
    assert [tuple(word for word in words if word.islower()) for words in listed] == list(commands)
    for words, command in zip(listed, commands.values(), strict=True):
        arguments = [word for word in words if not word.islower()]
        metavars = [one.metavar or one.name.upper() for one in command.params if one.param_type_name == "argument"]
        assert [argument.strip("[]") for argument in arguments] == metavars


def _typed() -> list[list[str]]:
    """The words of every `syncctl` line in the documents' console blocks, up to the shell's own."""
    found = []
    for command in (command for text in TEXTS.values() for command in console(text)):
        words = shlex.split(command.replace("\\\n", " "))
        if "syncctl" in words:
            rest = words[words.index("syncctl") + 1 :]
            end = next((at for at, word in enumerate(rest) if word in _OPERATORS), len(rest))
            found.append(rest[:end])
    return found


@pytest.mark.parametrize("words", _typed(), ids=" ".join)
def test_every_command_line_parses(words: list[str]) -> None:
    """Command, options and arguments as the real command line takes them; nothing is run."""
    command, rest = _command(words)
    command.make_context(words[0], rest)


def test_the_tutorial_leaves_nothing_for_git() -> None:
    """Every file that its commands write in the clone is ignored."""
    written = {file for command in console(TUTORIAL) for file in re.findall(r" > ([\w./-]+)", command)}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {f"/{file}" for file in written} <= set(ignored)
    assert written


def test_a_command_of_the_tutorial_works_in_a_folder_with_blanks() -> None:
    """The command of --image is split once more, by the shell that runs it."""
    [serve] = [command for command in console(TUTORIAL) if "--image" in command]
    [image] = [word for word in shlex.split(serve.replace("$PWD", "/a folder")) if "=" in word]
    assert shlex.split(image.partition("=")[2]) == ["python3", "/a folder/examples/source_plants.py"]


def test_commands_that_are_only_mentioned_exist() -> None:
    """`syncctl read --help` and the like in running text, in all documents."""
    for text in TEXTS.values():
        for mention in re.findall(r"`syncctl ([^`]+)`", text):
            if mention.startswith("COMMAND"):
                continue
            command, options = _command(mention.split())
            known = {"--help"} | {option for parameter in command.params for option in parameter.opts}
            assert {option for option in options if option.startswith("-")} <= known, mention


@pytest.mark.parametrize("command", ["", *sorted({words[0] for words in _typed()}), "sync validate"])
def test_the_documented_commands_explain_themselves(command: str) -> None:
    """--help runs."""
    done = CliRunner().invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert "Usage:" in click.unstyle(done.output)


def _slugs(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """Files of this project, and headings in them."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / document).parent / file if file else ROOT / document
        assert path.exists(), target
        assert not anchor or anchor in _slugs(path.read_text(encoding="utf-8")), target


def test_every_picture_is_shown_small_and_described() -> None:
    """By a document that names it, with a text for those who do not see it; `make screenshots` writes them."""
    shown = {
        (ROOT / document).parent.joinpath(target).resolve(): alt
        for document, text in TEXTS.items()
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]+\.png)\)", text)
    }
    pictures = set((ROOT / "docs/images").glob("*.png"))
    assert shown.keys() == pictures
    assert pictures
    assert all(len(alt) > 20 for alt in shown.values())
    assert all(picture.stat().st_size < 120_000 for picture in pictures)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document: str) -> None:
    """Every path of this project that a document names."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for name in re.findall(
        r"`((?:common|docs|embedded|examples|functions|images|knative|scripts|sidecar|syncctl|tests|tools)/[^` ]*)`",
        text,
    ):
        assert list(ROOT.glob(name.replace("<name>", "*").rstrip("/"))), name


def test_documents_that_the_code_names_exist() -> None:
    """A comment or message that names a page of docs/ leads there, after a move too."""
    folders = ("bench", "examples", "images", "knative", "scripts", "tests", "tools", *CODE)
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    for path in (*paths, *ROOT.glob("*.*"), ROOT / "Makefile", ROOT / ".importlinter"):
        if path.suffix in {".py", ".sql", ".toml", ".yaml", ".sh", ".md", ""} and path.is_file():
            for page in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text(encoding="utf-8")):
                assert (ROOT / page).is_file(), f"{path} names {page}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_document_holds_a_conflict(document: str) -> None:
    """A merge leaves its markers where nothing but a reader would notice."""
    assert not re.findall(r"^(?:<{7}|>{7}|={7}$).*", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE)


def _rooms() -> Iterator[str]:
    """The paths that architecture.md's tree names."""
    tree = code(section(ARCHITECTURE, "Rooms"), "")[0]
    folder = ""
    for line in tree.splitlines():
        left = re.split(r"\s{2,}", line.strip(), maxsplit=1)[0]
        if re.match(r"\S", line):
            folder = left if left.endswith("/") else ""
            yield left
        elif re.match(r"  \S", line):
            names = left.split(" -> ") if " -> " in left else left.split(", ")
            yield from (folder + (name if "." in name or name.endswith("/") else f"{name}.py") for name in names)


def test_the_rooms_are_the_tree() -> None:
    """What architecture.md names exists, and no room and no module of common/ is left out."""
    named = {path for room in _rooms() for path in _expand(room)}
    assert not [path for path in named if not list(ROOT.glob(path.rstrip("/")))]
    packages = {f"{path.relative_to(ROOT)}/" for path in (ROOT / "common").iterdir() if (path / "__init__.py").exists()}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "common").glob("[a-z]*.py")}
    assert packages | modules <= named
    folders = {
        path.name for path in ROOT.glob("[a-z]*/") if any(path.rglob("*.*")) and path.name not in {"build", "dist"}
    }
    assert folders == {path.split("/")[0] for path in named}
    listed = re.search(r"one deployable each: (.*)", ARCHITECTURE)
    assert set(listed[1].split() if listed else ()) == {
        path.parent.name for path in (ROOT / "functions").glob("*/main.py")
    }


def _expand(path: str) -> list[str]:
    """`tests/{a,b}` and `<name>`."""
    braces = re.search(r"\{([^}]*)\}", path)
    names = [path.replace(braces[0], name) for name in braces[1].split(",")] if braces else [path]
    return [name.replace("<name>", "*") for name in names]
