"""Text from the data never controls the terminal, in any command."""

import ast
import csv
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unicodedata import category

import pytest
import yaml
from misbehaving import NETWORK, picture, serving

import automm
from automm.cli import main
from automm.cli.progress import ConsoleLog, ConsoleReporter
from automm.cli.screen import print_json
from automm.cli.tables import console, table
from automm.data.download import job as fetch
from automm.data.download.client import Downloader
from automm.errors import DataError, Problem, one_line
from automm.tracking.run_folder import COMPLETED, FAILED, Candidate, Run

# A title, a colour, a return to the line's start, the one-character CSI, an override of the direction, an isolate, a
# delete, a backspace, a bell, an invisible space, half a surrogate pair; what rich would read as markup or an emoji.
STEERING = "\x1b]0;title\x07\x1b[31m\r\x9b2J\u202e\u2066\x7f\b\u200b\udcff[bold][/x]:100:"
WRITTEN = STEERING.replace("\udcff", "")  # as UTF-8 may have it
NAMED = WRITTEN.replace("/", "")  # as a file may be named


def steers(text: str) -> set[str]:
    return {letter for letter in text if letter != "\n" and not letter.isprintable() and category(letter) != "Zs"}


def run(*arguments: object):
    """A command's outcome; its output holds what it printed and what it failed with, as `main` prints it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["automm", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def test_unprintable_characters_are_shown_as_escapes():
    assert one_line("a\x1b[31m\x9b\u202e\udcff\U000e0001b") == r"a\x1b[31m\x9b\u202e\udcff\U000e0001b"
    assert one_line("one\r\ntwo\tthree\u2028four\u3000five") == "one  two three four\u3000five"
    words = "\u0646\u0645\u06cc\u200c\u0634 👩\u200d🍳 é ß 東京"  # the joiners are spelling, not steering
    assert one_line(words) == words
    assert not steers(one_line(STEERING))
    assert one_line(one_line(STEERING)) == one_line(STEERING)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_console_escapes_everything_it_prints(stream, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    said = stream()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", said)
        table([STEERING, "b"], [[STEERING, "1"], ["x", STEERING]], right=["b"])
    shown = console(said)
    shown.print(STEERING, style="bold", soft_wrap=True)
    reporter = ConsoleReporter(shown, 20, "macro_f1")
    reporter.stage(STEERING)
    reporter.step(STEERING, 1, 2)
    reporter.started(STEERING)
    best = Candidate(STEERING, "trial", COMPLETED, score=0.5)
    reporter.finished(Candidate(STEERING, "trial", FAILED, error=STEERING), best, None)
    reporter.close()
    logger = logging.Logger("x")
    logger.addHandler(ConsoleLog(shown))
    logger.warning("%s", STEERING)
    logger.info(STEERING)
    text = said.getvalue()
    for steering in ("\x1b]0;", "\x07", "\x1b[31m", "\r\x9b", "\x9b", "\u202e", "\u2066", "\x7f", "\b", "\u200b"):
        assert steering not in text
    assert "[bold][/x]:100:" in text
    assert r"\u202e" in text
    assert stream is Terminal or not steers(text)


def test_escaped_text_is_not_cut_off(capsys):
    """Escapes are longer than the characters that they replace."""
    table(["reason", "URL"], [["refused", f"http://x/{STEERING}/end.png"]])
    console(sys.stdout).print(f"{'word ' * 31}{STEERING}end")
    shown = capsys.readouterr().out
    assert "/end.png" in shown
    assert shown.rstrip().endswith("end")


def test_json_is_exact_and_cannot_control_the_terminal(capsys):
    content = {STEERING: [STEERING, "東京 é", "a\nb\U000e0001", 1.5, None]}
    print_json(content)
    printed = capsys.readouterr().out
    assert json.loads(printed) == content
    assert "東京 é" in printed
    assert not steers(printed)


@pytest.fixture
def reviews(tmp_path):
    """A manifest of records whose ids, file, columns, labels, texts and pictures are hostile; and its records file."""
    folder = tmp_path / NAMED
    folder.mkdir()
    rows = [
        {
            f"id{WRITTEN}": f"{n}{WRITTEN}",
            "text": f"{'same' if n % 5 else n} {WRITTEN}",
            f"pix{WRITTEN}": [f"{n}{NAMED}.png"],
            f"label{WRITTEN}": f"{n % 2}{WRITTEN}",
            "price": n,
        }
        for n in range(60)
    ]
    records = folder / f"r{NAMED}.jsonl"
    records.write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = {
        "name": f"x{WRITTEN}",
        "records": "r.jsonl",
        "fields": {
            "id": f"id{WRITTEN}",
            "text": "text",
            "images": f"pix{WRITTEN}",
            "label": f"label{WRITTEN}",
        },
        "images": {"on_bad": "drop-image"},
    }
    (folder / "r.jsonl").write_bytes(records.read_bytes())
    for n in range(30):
        (folder / f"{n}{NAMED}.png").write_bytes(picture() if n else b"broken")
    (folder / "manifest.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    return folder


def test_check(reviews):
    code, out, err = run("check", reviews / "manifest.yaml")
    assert r"\x1b" in out, err
    assert not steers(out + err)
    code, out, err = run("check", reviews / "manifest.yaml", "--format", "json")
    assert json.loads(out)["name"] == f"x{WRITTEN}"
    assert not steers(out + err)
    content = yaml.safe_load((reviews / "manifest.yaml").read_text()) | {f"unknown{WRITTEN}": 1}
    (reviews / "manifest.yaml").write_text(yaml.safe_dump(content))
    code, out, err = run("check", reviews / "manifest.yaml")
    assert code == 2
    assert "unknown" in err
    assert not steers(out + err)


def test_data_cannot_forge_a_line_of_a_report(reviews):
    records = "".join(json.dumps({"text": "t", "pix": f"{n}\nerror: forged{WRITTEN}"}) + "\n" for n in range(3))
    (reviews / "r.jsonl").write_text(records)
    content = {"name": "x", "records": "r.jsonl", "fields": {"text": "text", "images": "pix"}}
    (reviews / "manifest.yaml").write_text(yaml.safe_dump(content))
    _, out, err = run("search", reviews / "manifest.yaml", "--set", "budget.trials=\x1b[31m\r")
    assert not steers(out + err)
    assert str(DataError([Problem("x", "", "a\nb"), Problem("y", "", "c")])) == "a b\nc"


def test_init_and_import(reviews):
    code, out, err = run("init", reviews / f"r{NAMED}.jsonl", "--to", reviews / "first.yaml")
    assert code == 0, err
    assert not steers(out + err)
    (reviews / "tree" / NAMED).mkdir(parents=True)
    (reviews / "tree" / NAMED / f"{NAMED}.md").write_text("A text ![a](b.jpg)")
    (reviews / "tree" / "other").mkdir()
    (reviews / "tree" / "other" / "b.md").write_text(f'---\nk: "\n{WRITTEN}\n---\nA text ![a](b.jpg)')
    code, out, err = run("import", "markdown-tree", reviews / "tree", "--to", reviews / "new")
    assert "front matter" in err
    assert not steers(out + err)
    (reviews / "tree" / "other" / "b.md").write_text("Another ![a](b.jpg)")
    code, out, err = run("import", "markdown-tree", reviews / "tree", "--to", reviews / "new")
    assert not steers(out + err)


def test_fetch_images(reviews, monkeypatch):
    with serving() as server:
        urls = [server.url(f"absent?{WRITTEN}"), server.url("steering"), f"http://a{WRITTEN}/b.png"]
        (reviews / "r.jsonl").write_text("".join(json.dumps({"text": "t", "pix": [url]}) + "\n" for url in urls))
        content = {"name": "x", "records": "r.jsonl", "fields": {"text": "text", "images": "pix"}}
        (reviews / "manifest.yaml").write_text(yaml.safe_dump(content))
        monkeypatch.setattr(fetch, "Downloader", lambda: replace(Downloader(NETWORK), attempts=1))
        code, out, err = run("fetch-images", reviews / "manifest.yaml")
        assert (code, out.count("HTTP 404")) == (3, 2)
        assert r"\x1b]0;title" in out
        assert not steers(out + err)
        code, out, err = run("fetch-images", reviews / "manifest.yaml", "--format", "json")
        assert [one["url"] for one in json.loads(out)["missing"]] == urls
        assert not steers(out + err)


def test_leaderboard(tmp_path):
    made = Run(tmp_path / "runs" / "x" / f"run-{NAMED}")
    made.folder.mkdir(parents=True)
    scores = {"macro_f1": 0.5, "accuracy": 0.6, "loss": 1.0}
    made.append(Candidate(f"a{WRITTEN}", "trial", COMPLETED, score=0.5, validation=scores))
    made.append(Candidate("b", "trial", FAILED, error=f"{WRITTEN}\nsecond line"))
    (made.folder / "config.yaml").write_text("name: x\n")
    (made.folder / "result.json").write_text("{}")
    (made.folder / "manifest.json").write_text("{}")
    code, out, err = run("leaderboard", "--runs-dir", tmp_path / "runs")
    assert (code, out.count(r"\x1b]0;title")) == (0, 4), err
    assert not steers(out + err)
    code, out, err = run("leaderboard", "--runs-dir", tmp_path / "runs", "--format", "json")
    assert {row["run"] for row in json.loads(out)} == {f"run-{NAMED}"}
    assert not steers(out + err)
    code, out, err = run("leaderboard", "--runs-dir", tmp_path / "runs", "--format", "csv")
    assert [row["run"] for row in csv.DictReader(io.StringIO(out))] == [f"run-{one_line(NAMED)}"] * 2
    assert not steers(out + err)


def test_cache_and_datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", os.fsdecode(tmp_path / NAMED))
    for arguments in (["cache"], ["cache", "--clear"], ["datasets", STEERING], ["leaderboard", STEERING]):
        _, out, err = run(*arguments)
        assert out + err
        assert not steers(out + err)


LOGS = """
import logging, os, warnings
from automm.cli import main
try:
    main()
finally:
    logging.getLogger("automm").warning("cannot read %s", os.environ["TEXT"])
    logging.getLogger("some.library").error(os.environ["TEXT"])
    warnings.warn(os.environ["TEXT"])
"""


def test_logs_and_warnings_of_any_command_are_escaped():
    command = [sys.executable, "-c", LOGS, "--version"]
    environment = {**os.environ, "TEXT": WRITTEN}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert done.stderr.splitlines()[:2] == [f"warning cannot read {one_line(WRITTEN)}", f"error {one_line(WRITTEN)}"]
    assert f"UserWarning: {one_line(WRITTEN)}" in done.stderr
    assert not steers(done.stderr)


SOURCES = sorted(Path(automm.__file__).parent.rglob("*.py"))
# What prints, and the only files that may use it: there it is escaped.
PRINTING = {
    "print": {"cli/screen.py"},
    "sys.stdout": {"cli/tables.py", "cli/data.py"},
    "sys.stderr": {"cli/screen.py", "cli/data.py", "cli/evidence.py", "cli/search.py", "cli/tables.py"},
    "typer.confirm": {"cli/search.py"},
    "typer.echo": set(),
    "typer.secho": set(),
    "typer.prompt": {"cli/onboarding.py"},
    "Console": {"cli/tables.py"},
    "logging.StreamHandler": set(),
    "warnings.warn": set(),
}


def used(tree: ast.AST) -> Iterator[str]:
    """Names that a file uses otherwise than in annotations."""
    if isinstance(tree, ast.Name):
        yield tree.id
    elif isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name):
        yield f"{tree.value.id}.{tree.attr}"
    for name, value in ast.iter_fields(tree):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in ("annotation", "returns"):
                yield from used(child)


@pytest.fixture(scope="module")
def names():
    """What each file uses, by its path."""
    root = Path(automm.__file__).parent
    return {path.relative_to(root).as_posix(): set(used(ast.parse(path.read_text("utf-8")))) for path in SOURCES}


@pytest.mark.parametrize("what", PRINTING)
def test_only_escaping_functions_print(names, what):
    assert {file for file, found in names.items() if what in found} == PRINTING[what]


def test_no_module_imports_streams_or_print_under_another_name():
    taken = [
        f"{path.name}: {alias.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in ("sys", "typer", "builtins", "rich", "click", "logging")
        for alias in node.names
    ]
    assert taken == []
