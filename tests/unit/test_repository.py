"""The files beside the package: manifests load, experiments say what they are, the README's commands are there."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from automm.data.manifest import load_manifest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "experiments").rglob("*.py"))
EXPERIMENTS = [
    path for path in SCRIPTS if "__main__" in path.read_text(encoding="utf-8")
]  # the rest is what they share
ALLOWED = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "automm",
    "data_manifests",
    "docs",
    "experiments",
    "pyproject.toml",
    "tests",
}


@pytest.mark.parametrize("path", sorted((ROOT / "data_manifests").glob("*.yaml")), ids=lambda path: path.name)
def test_every_manifest_is_valid_and_names_its_source(path):
    source = load_manifest(path).source
    assert source.licence
    assert source.get
    assert source.size
    assert source.homepage or path.name == "demo.yaml"


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_every_experiment_says_its_question_command_and_cost(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert text.startswith("Question:")
    assert f"python {path.relative_to(ROOT)}" in text
    assert "Cost:" in text


def test_the_readme_has_the_two_commands_that_ci_runs():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python -m venv")]
    assert len(commands) == 2
    assert all("pip install -q " in command for command in commands)
    assert lines.index(commands[1]) < 30  # the first screen
    assert "automm search demo/manifest.yaml" in commands[0]
    assert " && pytest" in commands[1]


def test_the_root_contains_nothing_else():
    made = {"automm.egg-info", "build", "demo", "runs", "__pycache__"}  # by installing, and by the quick start
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - made <= ALLOWED


def test_every_case_of_growth_runs(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "experiments" / "benchmarks")
    growth = importlib.import_module("growth")
    assert {case: growth.measure(case, 100) < 60 for case in growth.CASES} == dict.fromkeys(growth.CASES, True)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_and_function_on_a_developer_page_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:automm|tests|docs)/[\w./]*)`", text))
    assert len(paths) > 5
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    named = re.findall(r"`(\w+)` in `(automm/[\w/]+\.py)`", text)
    assert named
    assert [pair for pair in named if not re.search(rf"\b{pair[0]}\b", (ROOT / pair[1]).read_text("utf-8"))] == []


def test_every_folder_of_the_package_is_in_architecture_md():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "automm").rglob("*.py")}
    plugins = {"automm/models/pooling", "automm/models/fusion", "automm/models/cnn", "automm/data/quality/checks"}
    assert [one for one in sorted(folders - plugins - {"automm"}) if f"`{one}/`" not in text] == []
