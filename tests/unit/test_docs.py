"""README and docs: examples are valid, named files exist, and every key, command and finding is documented."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import typer.main
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from automm.cli import app
from automm.config.experiment import Experiment, resolve
from automm.config.schema import Section
from automm.config.strict_yaml import parse_yaml
from automm.data.layouts import LAYOUTS, find_layout
from automm.data.manifest import Manifest, parse_manifest
from automm.data.quality.finding_kinds import KINDS
from automm.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
EXPERIMENTS = ROOT / "experiments" / "README.md"
CHANGELOG = ROOT / "CHANGELOG.md"
COMMANDS = typer.main.get_command(app).commands
SHELL = {"automm", "python", "pip", "pytest", "."}  # what else the blocks may run
MINIMAL = {"name": "m", "records": "m.csv", "fields": {"text": "body"}}
QUICK = {"check", "init", "datasets", "cache"}  # commands that take a moment on the demo, and need no network


class Block(NamedTuple):
    """A fenced block; `place` is its page and line."""

    place: str
    language: str
    content: str


def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def inline(page: Path, kind: str) -> list[Token]:
    return [child for token in tokens(page) for child in token.children or () if child.type == kind]


def blocks(language: str) -> list[Block]:
    return [
        Block(f"{page.name}:{token.map[0] + 1}", token.info, token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type == "fence" and token.info == language
    ]


def shell_commands(content: str) -> Iterator[list[str]]:
    """The words of each command of a block."""
    for line in content.splitlines():
        command: list[str] = []
        for word in [*shlex.split(line, comments=True), "&&"]:
            if word != "&&":
                command.append(word)
            elif command:
                yield command
                command = []


def parsed_or_part(content: Mapping[str, Any]) -> None:
    """Validate a manifest, an experiment file, or a part of one laid over a minimal file."""
    if "manifest" in content:
        resolve(content, ROOT / "docs", "experiment.yaml")
    elif content.keys() <= Manifest.model_fields.keys():
        minimal = {} if {"records", "path"} & content.keys() else MINIMAL
        fields = {**minimal.get("fields", {}), **content.get("fields", {})}
        parse_manifest({**minimal, **content, "fields": fields}, Path("manifest.yaml"), allow_code=True)
    else:
        resolve({"manifest": "absent.yaml", **content}, ROOT / "docs", "experiment.yaml")


def keys(model: type[Section], prefix: str = "") -> dict[str, tuple[type[Section], FieldInfo]]:
    """Return every key of a file by its path, with its section."""
    found = {}
    for name, field in model.model_fields.items():
        found[prefix + name] = (model, field)
        for section in _sections(field.annotation):
            found |= keys(section, f"{prefix}{name}.")
    return found


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)


def rows(name: str) -> dict[str, list[str]]:
    """Return the other cells of each table row whose first cell is code, by that code."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    found = re.finditer(r"^\| `([\w.-]+)` \|(.*)\|$", text, re.M)
    return {row[1]: [cell.strip() for cell in row[2].split("|")] for row in found}


def place_of(block: Block) -> str:
    return block.place


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("block", blocks("yaml"), ids=place_of)
def test_every_yaml_block_is_valid(block):
    content, _ = parse_yaml(block.content)
    parsed_or_part(content)


def test_a_yaml_block_with_a_mistake_is_found():
    for wrong in ({"splits": {"foldz": 5}}, {"tuner": "gredy"}, {"manifest": "m.yaml", "trials": 5}):
        with pytest.raises(ConfigError, match=r"foldz|gredy|trials"):
            parsed_or_part(wrong)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_setting_in_the_text_is_valid(page):
    legal = (Manifest.model_fields.keys() | Experiment.model_fields.keys()) - {"name", "manifest", "label"}
    for span in inline(page, "code_inline"):
        key, colon, _ = span.content.partition(": ")
        if colon and key in legal and "..." not in span.content:
            parsed_or_part(parse_yaml(span.content.replace("N", "4"))[0])


@pytest.mark.parametrize("block", blocks("sh"), ids=place_of)
def test_every_command_of_a_shell_block_parses(block):
    for words in shell_commands(block.content):
        assert words[0] in SHELL
        if words[0] == "automm":
            COMMANDS[words[1]].make_context(words[1], words[2:])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_in_the_text_exists_with_its_options(page):
    for span in inline(page, "code_inline"):
        words = re.split(r"[\s|]+", span.content)
        if words[0] == "automm" and len(words) > 1 and words[1] not in ("--help", "..."):
            legal = {option for parameter in COMMANDS[words[1]].params for option in parameter.opts}
            assert {word for word in words[2:] if word.startswith("--")} <= legal, span.content


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    done = CliRunner().invoke(app, ["demo", str(folder / "demo"), "--reviews", "60"], catch_exceptions=False)
    assert done.exit_code == 0
    return folder


def quick_commands() -> list[str]:
    """Return the commands of all blocks that need only the demo data."""
    commands = [words for block in blocks("sh") for words in shell_commands(block.content) if words[0] == "automm"]
    quick = [
        shlex.join(words)
        for words in commands
        if (words[1] in QUICK or "--list" in words)
        and all("/" not in word or word.startswith("demo/") for word in words[2:])
    ]
    return list(dict.fromkeys(quick))


@pytest.mark.parametrize("command", quick_commands())
def test_every_quick_command_runs_on_the_demo(command, demo, monkeypatch):
    monkeypatch.chdir(demo)
    assert CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False).exit_code == 0


def test_quick_commands_are_found():
    assert {command.split()[1] for command in quick_commands()} == QUICK | {"weights"}


def test_every_command_has_a_row_in_the_readme_and_every_option_is_documented():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name, command in COMMANDS.items():
        assert re.search(rf"^\| `automm {name}\b", README.read_text(encoding="utf-8"), re.M), name
        for parameter in command.params:
            if not getattr(parameter, "hidden", False):
                named = [option for option in parameter.opts if option.startswith("--")]
                assert [option for option in named if not re.search(rf"{option}\b", text)] == [], name


@pytest.mark.parametrize(("page", "model"), [("manifest.md", Manifest), ("experiment-file.md", Experiment)])
def test_every_key_has_a_row_and_every_row_a_key(page, model):
    assert set(rows(page)) == set(keys(model))


def test_the_defaults_of_the_experiment_file_are_those_of_its_page():
    shown_rows, wrong = rows("experiment-file.md"), []
    for path, (section, field) in keys(Experiment).items():
        shown = shown_rows[path][0].strip("`")
        if not shown or path == "name":  # which is the file's
            continue
        name = path.rpartition(".")[2]
        value = None if shown == "none" else parse_yaml(f"{name}: {shown}")[0][name]
        needed = {"manifest": "m.yaml"} if section is Experiment else {}
        if getattr(section.model_validate({**needed, name: value}), name) != field.get_default():
            wrong.append(path)
    assert wrong == []


def test_every_finding_of_check_has_a_row_under_its_severity():
    severity, found = "", {}
    for line in (ROOT / "docs" / "check.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            severity = line.split()[1].lower().removesuffix("s")
        elif row := re.match(r"\| `(\w+)` \|", line):
            found[row[1]] = severity
    assert found == {key: kind.severity for key, kind in KINDS.items()}


def test_findings_that_are_shown_are_worded_as_check_words_them():
    shown = [
        found
        for block in blocks("text")
        for found in re.finditer(r"^\w+: (.*): [\d,]+ \[(\w+)\]$", block.content, re.M)
    ]
    assert shown
    assert [found[1] for found in shown] == [KINDS[found[2]].what for found in shown]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_has_a_row_with_its_options(name):
    row = " | ".join(rows("data-sets.md")[name])
    assert all(f"`{option}`" in row for option in find_layout(name).options.model_fields)


@pytest.mark.parametrize("page", [*PAGES, EXPERIMENTS], ids=name_of)
def test_every_link_and_path_leads_somewhere(page):
    for link in inline(page, "link_open") + inline(page, "image"):
        address, _, anchor = str(link.attrs.get("href") or link.attrs["src"]).partition("#")
        if address.startswith("https://"):
            continue
        target = (page.parent / address).resolve() if address else page
        assert target.is_file(), address
        assert not anchor or anchor in _anchors(target), f"{address}#{anchor}"
    for span in inline(page, "code_inline"):
        if re.fullmatch(r"(?:automm|data_manifests|docs|experiments|tests)/[\w./]+", span.content):
            assert (ROOT / span.content).exists(), span.content


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes from the headings of a page."""
    found = tokens(page)
    headings = [found[place + 1].content for place, token in enumerate(found) if token.type == "heading_open"]
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_experiment_is_in_the_table_of_questions():
    table = EXPERIMENTS.read_text(encoding="utf-8").partition("\n## ")[0]
    scripts = [path for path in EXPERIMENTS.parent.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")]
    assert [path.name for path in scripts if f"`{path.name}`" not in table] == []


def test_the_changelog_is_one_release():
    lines = CHANGELOG.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("## ")] == ["## 0.1.0"]
    assert sum(line.startswith("- ") for line in lines) <= 25


def test_the_readme_is_short():
    assert 900 <= len(README.read_text(encoding="utf-8").split()) <= 1300


def test_the_readme_links_every_page():
    links = {str(link.attrs["href"]) for link in inline(README, "link_open")}
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= links
