"""What holds for the source as a whole: sizes, private names, imports that run downwards, quick commands."""

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
    "tasks",
    "paths",
    "errors",
    "__init__",
)
HEAVY = ("tensorflow", "keras", "keras_hub", "keras_tuner", "autokeras", "mlflow", "onnxruntime", "tf2onnx")
# Who may import what, lazily or not.
ENGINES = {
    "autokeras": {"search"},
    "keras_tuner": {"search"},
    "mlflow": {"tracking", "deliver"},
    "keras": {"search", "deliver", "models"},
    "keras_hub": {"deliver", "models"},
    "tensorflow": {"cli", "search", "deliver", "models"},
    "onnxruntime": {"deliver", "search"},
    "tf2onnx": {"deliver", "search"},
    "typer": {"cli"},
}
LONGEST_MODULE, LONGEST_FUNCTION = 350, 60  # lines
MOST_MODULES = 14  # in a folder, without its __init__.py
PLUG_INS = {"data/layouts"}  # folders that hold one file for each plug-in may hold any number
# The files that may read private names of libraries: one for each library.
INTERNALS = {
    "models/keras_internals.py",
    "search/candidates/sklearn_internals.py",
    "search/autokeras/internals.py",
    "search/autokeras/keras_tuner_internals.py",
}
# Public, although they begin with an underscore: of named tuples, of enumerations, of `os`.
PUBLIC = {"_replace", "_value_", "_exit"}


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


def test_modules_are_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {name for name, lines in lengths.items() if lines > LONGEST_MODULE} == set()


def test_functions_are_short():
    lengths = {
        f"{path.relative_to(ROOT)}: {node.name}": node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_folders_are_small():
    folders = {path.parent for path in SOURCES}
    sizes = {
        str(folder.relative_to(ROOT)): len({*folder.glob("*.py")} - {folder / "__init__.py"}) for folder in folders
    }
    assert {name for name, modules in sizes.items() if modules > MOST_MODULES} == PLUG_INS


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def of_itself(node: ast.expr) -> bool:
    """Whether an expression is self, cls or super()."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def private_names(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """Every use of a private name of an object, as (line, name, whether of self, cls or super())."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            yield node.lineno, node.attr, of_itself(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and is_private(str(name.value)):
                yield node.lineno, str(name.value), of_itself(node.args[0])


def defined(tree: ast.AST) -> set[str]:
    """Private names that the classes and functions of a file define: methods, fields, attributes of self."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = [part for target in targets for part in ast.walk(target)]
            names |= {part.id for part in parts if isinstance(part, ast.Name)}
            names |= {part.attr for part in parts if isinstance(part, ast.Attribute) and of_itself(part.value)}
    return {name for name in names if is_private(name)}


def foreign_names(sources: dict[str, str]) -> list[str]:
    """Uses of private names that automm does not define: of self in any file, of other objects in the file itself."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    own = {name: defined(tree) for name, tree in trees.items()}
    anywhere = set().union(*own.values())
    return [
        f"{file}:{line}: {name}"
        for file, tree in trees.items()
        for line, name, itself in private_names(tree)
        if name not in (anywhere if itself else own[file]) | PUBLIC
    ]


def test_private_names_of_libraries_are_read_in_one_file_for_each():
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in SOURCES}
    listed = {file: texts.pop(file) for file in INTERNALS}
    assert foreign_names(texts) == []
    assert {line.partition(":")[0] for line in foreign_names(listed)} == INTERNALS, "it reads none: delete it"


@pytest.mark.parametrize(
    "text",
    [
        "model._nodes_by_depth",
        "get()._nodes_by_depth",
        "getattr(model, '_nodes_by_depth')",
        "oracle._seed_state = 1",
        "class A(Oracle):\n def a(self): return self._seed_state",
        "class A(Oracle):\n def a(self): return super()._get_state()",
    ],
)
def test_the_walk_sees_private_names(text):
    assert len(foreign_names({"a.py": text})) == 1


def test_the_walk_knows_names_of_its_own():
    text = "class A:\n _a: int\n def __init__(self): self._b = 1\n def _c(self): return self._a, self._b\nA()._c()"
    assert foreign_names({"a.py": text, "b.py": "class B(A):\n def b(self): return self._b"}) == []
    assert foreign_names({"a.py": text, "b.py": "A()._b"}) == ["b.py:1: _b"]


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
        (["search", "MANIFEST", "--set", "encoders.text=gpt2_base_en"], 2),
        (["search", "MANIFEST", "--set", "encoders.text=roberta_base"], 5),
        (["search", "MANIFEST", "--set", "encoders.image=./no-such-preset"], 2),
        (["search", "MANIFEST", "--set", "encoders.text=me5-small", "--offline"], 5),
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
