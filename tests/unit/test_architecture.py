"""What holds for the source as a whole: imports run downwards, and quick commands stay quick."""

import ast
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import automm
from automm.data.demo.generate import write_demo

ROOT = Path(automm.__file__).parent
ORDER = (
    "__main__",
    "cli",
    "search",
    "deliver",
    "evaluate",
    "tracking",
    "models",
    "data",
    "config",
    "paths",
    "errors",
    "__init__",
)
HEAVY = ("tensorflow", "keras", "keras_hub", "keras_tuner", "autokeras", "mlflow")
# Who may import what, lazily or not.
ENGINES = {
    "autokeras": {"search"},
    "keras_tuner": {"search"},
    "mlflow": {"tracking", "deliver"},
    "keras": {"search", "deliver", "models"},
    "keras_hub": {"deliver", "models"},
    "tensorflow": {"cli", "search", "deliver", "models"},
    "typer": {"cli"},
}


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every import of a file, those inside functions too, as (line, dotted name)."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def target_room(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "automm":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in ORDER else "__init__"


SOURCES = sorted(ROOT.rglob("*.py"))


def test_every_room_has_its_place():
    assert {room_of(path) for path in SOURCES} == set(ORDER)


def test_imports_run_downwards():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {room_of(path)} imports {name}"
        for path in SOURCES
        for line, name in imported(path)
        if (target := target_room(name)) is not None
        and target != room_of(path)
        and ORDER.index(target) <= ORDER.index(room_of(path))
    ]
    assert wrong == []


def test_the_walk_sees_imports_inside_functions():
    names = {name for _, name in imported(ROOT / "cli" / "search.py")}
    assert "automm.search.run.run_search" in names  # were it blind, the test above would prove nothing
    assert target_room("automm.search.run.run_search") == "search"


def reached(start: str) -> set[Path]:
    """The files that importing a module imports, one through another."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = ROOT.parent.joinpath(*waiting.pop().split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file() and file not in found:
                found.add(file)
                names = [name for _, name in imported(file) if name.startswith("automm.")]
                waiting += [*names, *(name.rpartition(".")[0] for name in names)]
    return found


def test_a_bundle_is_read_with_every_layer_that_a_model_may_hold():
    """Keras finds a class in a saved model only where its module has been imported."""
    with_layers = {
        path for path in (ROOT / "models").rglob("*.py") if "register_keras_serializable" in path.read_text("utf-8")
    }
    assert with_layers
    assert with_layers <= reached("automm.deliver.bundle")


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_is_used_in_its_rooms_only(engine):
    users = {room_of(path) for path in SOURCES for _, name in imported(path) if name.split(".")[0] == engine}
    assert users <= ENGINES[engine]
    assert users, "nobody uses it: take it out of the table"


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


LOADED = f"""
import sys
from automm.cli import main
sys.argv[0] = "automm"
code = 0
try:
    main()
except SystemExit as end:
    code = end.code or 0
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print("exit", code, "heavy", heavy, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("light") / "demo", reviews=60, seed=1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["search", "--help"], 0),
        (["check", "MANIFEST"], 0),
        (["chekc", "MANIFEST"], 2),
        (["search", "--trails", "3"], 2),
        (["search", "MANIFEST", "--set", "budget.trails=3"], 2),
        (["search", "missing.yaml"], 5),
        (["datasets"], 0),
        (["import", "mvvsa", "MANIFEST", "--to", "x"], 2),
        (["init", "missing.csv"], 5),
        (["leaderboard", "--runs-dir", "no-such-folder"], 5),
        (["weights", "--list"], 0),
        (["cache"], 0),
        (["cache", "--clear"], 0),
    ],
    ids=str,
)
def test_quick_commands_load_no_engine(arguments, code, manifest):
    done = run_python(LOADED, *(str(manifest) if word == "MANIFEST" else word for word in arguments))
    assert done.stderr.rstrip().endswith(f"exit {code} heavy []"), done.stdout + done.stderr


def test_help_answers_at_once():
    start = time.monotonic()
    done = run_python("from automm.cli import main; main()", "--help")
    seconds = time.monotonic() - start
    print(f"automm --help: {seconds:.2f} s")
    assert "automm demo demo/" in done.stdout
    assert seconds < 10  # TensorFlow alone would take four or five; the figure itself is printed
