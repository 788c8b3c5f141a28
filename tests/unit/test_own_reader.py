"""The user's own reader: `format: my_module:my_reader`, which runs only if the command line allows it."""

import sys

import pytest
import yaml

from automm.config.experiment import load_experiment
from automm.data.layouts.own_modules import OwnModules
from automm.data.manifest import load_manifest
from automm.data.records.opening import open_source
from automm.data.records.reviews import load_dataset
from automm.errors import ConfigError, DataError, NotFoundError

MANIFEST = """\
name: own
format: my_shop:read
path: export
options: {shop: 7}
fields: {id: id, text: text, label: stars}
"""
READER = """\
def read(path, options):
    for number in range(4):
        yield {"id": f"{path.name}-{options['shop']}-{number}", "text": f"text {number}", "stars": number % 2}
"""


def write(folder, reader=READER, manifest=MANIFEST):
    (folder / "export").mkdir()
    (folder / "my_shop.py").write_text(reader)
    (folder / "manifest.yaml").write_text(manifest)
    return folder / "manifest.yaml"


def load(*args, **keywords):
    return load_dataset(load_manifest(write(*args, **keywords), allow_code=True))


def test_the_yielded_records_are_read(tmp_path):
    reviews = load(tmp_path).reviews
    assert [review.id for review in reviews] == [f"export-7-{n}" for n in range(4)]
    assert (reviews[1].where, reviews[1].label) == ("read:2", "1")
    assert "my_shop" not in sys.modules


def test_nothing_runs_without_the_flag(tmp_path):
    path = write(tmp_path, "raise SystemExit('it ran')")
    with pytest.raises(ConfigError, match=r"manifest.yaml:2: format 'my_shop:read' would run code.*--allow-code"):
        load_manifest(path)


def test_an_experiment_file_cannot_allow_it(tmp_path):
    path = write(tmp_path)
    assert load_experiment(path, allow_code=True).allow_code
    assert not load_experiment(path).allow_code
    for key in ("allow_code", "_allow_code"):
        with pytest.raises(ConfigError, match="unknown key"):
            load_experiment(path, [f"{key}=true"])
    assert "allow_code" not in load_experiment(path, allow_code=True).to_yaml()


@pytest.mark.parametrize(
    ("reader", "error", "expected"),
    [
        ("read = 1", ConfigError, "my_shop has no function 'read'"),
        ("1 / 0", ConfigError, "my_shop cannot be imported: ZeroDivisionError"),
        (
            "def read(path, options):\n  yield {'id': 1}\n  1 / 0",
            DataError,
            "read:2: .* my_shop.py:3: ZeroDivisionError",
        ),
        ("def read(path, options):\n  yield 1", DataError, "read:1: .*TypeError"),
        ("def read(path, options):\n  return []", DataError, "no reviews"),
    ],
)
def test_a_failing_reader_is_reported_with_its_line(tmp_path, reader, error, expected):
    with pytest.raises(error, match=expected):
        load(tmp_path, reader)


def test_the_manifest_needs_fields_and_a_path(tmp_path):
    with pytest.raises(ConfigError, match="fields missing"):
        load(tmp_path, manifest="name: own\nformat: my_shop:read\npath: export\n")


def test_a_missing_path(tmp_path):
    with pytest.raises(NotFoundError, match="elsewhere: no such file or folder"):
        load(tmp_path, manifest=MANIFEST.replace("export", "elsewhere"))


def test_half_a_surrogate_pair_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"and 1 more: column 'id' contains half of a surrogate pair"):
        load(tmp_path, READER.replace("{path.name}", r"\ud83d"))


HELPER = "def text(number):\n    return f'{FROM} {number}'\n"


def texts(folder):
    dataset = load_dataset(load_manifest(folder / "manifest.yaml", allow_code=True))
    return [review.text for review in dataset.reviews]


def reads(expression):
    return (
        "def read(path, options):\n    for number in range(4):\n"
        f'        yield {{"id": number, "text": {expression}, "stars": number % 2}}\n'
    )


@pytest.fixture
def untouched():
    """The import state of the program, which a reader must not change."""
    modules, path = dict(sys.modules), list(sys.path)
    yield
    assert not any(isinstance(finder, OwnModules) for finder in sys.meta_path)
    assert sys.path == path
    assert {name: sys.modules.get(name) for name in modules} == modules
    assert not {"my_shop", "helper", "shop", "shop.read"} & sys.modules.keys()


pytestmark = pytest.mark.usefixtures("untouched")


def test_dataclasses_with_postponed_annotations(tmp_path):
    reader = (
        "from __future__ import annotations\nimport dataclasses\nimport typing\n\n"
        "@dataclasses.dataclass\nclass Row:\n    text: str\n    marks: typing.ClassVar[int] = 1\n\n"
        + reads("made(number).text")
        + "\ndef made(number):\n    assert typing.get_type_hints(Row)['text'] is str\n"
        "    @dataclasses.dataclass\n    class Inner(Row):\n        more: str\n    return Inner('row', 'x')\n"
    )
    write(tmp_path, reader)
    assert texts(tmp_path) == ["row"] * 4


@pytest.mark.parametrize(
    "reader",
    [
        "import helper\n" + reads("helper.text(number)"),
        "from helper import text\n" + reads("text(number)"),
        reads("__import__('helper').text(number)"),
        "import importlib\n" + reads("importlib.import_module('helper').text(number)"),
    ],
    ids=["above", "from", "as it runs", "by name"],
)
def test_a_module_beside_the_manifest_is_imported(tmp_path, reader):
    (tmp_path / "helper.py").write_text(HELPER.replace("{FROM}", "beside"))
    write(tmp_path, reader)
    assert texts(tmp_path) == [f"beside {n}" for n in range(4)]
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize("package", ["__init__.py", "other.py"])
@pytest.mark.parametrize("line", ["from .helper import text", "from . import helper", "import shop.helper as helper"])
def test_a_package_beside_the_manifest_is_imported(tmp_path, package, line):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / package).touch()
    (tmp_path / "shop" / "helper.py").write_text(HELPER.replace("{FROM}", "inside"))
    call = "text(number)" if line.endswith("text") else "helper.text(number)"
    (tmp_path / "shop" / "export.py").write_text(f"{line}\n{reads(call)}")
    write(tmp_path, manifest=MANIFEST.replace("my_shop:read", "shop.export:read"))
    assert texts(tmp_path) == [f"inside {n}" for n in range(4)]


def test_modules_of_one_name_in_two_folders(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper.py").write_text(HELPER.replace("{FROM}", name))
        write(tmp_path / name, "import helper\n" + reads("helper.text(number)"))
    manifests = [load_manifest(tmp_path / name / "manifest.yaml", allow_code=True) for name in ("one", "two")]
    both = [open_source(manifest).rows for manifest in manifests]
    found = [[record.values["text"] for record in pair] for pair in zip(*both, strict=True)]
    assert found == [[f"one {n}", f"two {n}"] for n in range(4)]


def test_a_changed_module_is_executed_again(tmp_path):
    for name in ("one", "two"):  # same length, same second
        (tmp_path / "helper.py").write_text(HELPER.replace("{FROM}", name))
        if name == "one":
            write(tmp_path, "import helper\n" + reads("helper.text(number)"))
        assert texts(tmp_path)[0] == f"{name} 0"


def test_names_of_installed_modules(tmp_path):
    """A module beside the manifest shadows an installed one, but not the standard library, and only for its reader."""
    (tmp_path / "yaml.py").write_text("HERE = 'beside'")
    (tmp_path / "colorsys.py").write_text("raise ImportError('a file that is there by chance')")
    write(tmp_path, "import yaml, colorsys, json\n" + reads("yaml.HERE + colorsys.__name__ + json.dumps(1)"))
    assert texts(tmp_path) == ["besidecolorsys1"] * 4
    assert hasattr(yaml, "safe_load")
    assert sys.modules["yaml"] is yaml


@pytest.mark.parametrize("name", ["time", "code", "yaml", "automm_reader"])
def test_a_reader_may_have_the_name_of_any_module(tmp_path, name):
    write(tmp_path, manifest=MANIFEST.replace("my_shop", name))
    (tmp_path / f"{name}.py").write_text(reads("__name__"))
    before = sys.modules.get(name)
    assert texts(tmp_path) == [name] * 4
    assert sys.modules.get(name) is before


def test_program_modules_that_a_reader_imports_stay(tmp_path):
    write(tmp_path, "import automm.data.records.times\n" + reads("automm.data.records.times.__name__"))
    (tmp_path / "automm").mkdir()
    (tmp_path / "automm" / "__init__.py").write_text("raise ImportError('not this one')")
    assert texts(tmp_path) == ["automm.data.records.times"] * 4


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("{1: 'x'}", "read:1: column name 1 is not a string"),
        ("{'id': deep()}", "read:1: lists or objects nested more than 100 levels deep"),
        ("{'id': 10 ** 5000, 'text': 't', 'stars': 1}", "read:1: an integer of more than a thousand digits"),
    ],
)
def test_malformed_records_are_reported(tmp_path, values, expected):
    deep = "def deep():\n    value = 1\n    for _ in range(3000):\n        value = [value]\n    return value\n"
    good = '    yield {"id": 2, "text": "t", "stars": 1}\n'
    with pytest.raises(DataError, match=expected):
        load(tmp_path, f"{deep}def read(path, options):\n    yield {values}\n{good}")


def test_missing_values_of_pandas_are_missing(tmp_path):
    table = "pandas.DataFrame({'id': range(4), 'text': 't', 'stars': [1, 0] * 2, 'day': pandas.NaT, 'x': None})"
    reader = f"import pandas\ndef read(path, options):\n    return {table}.to_dict('records')\n"
    fields = "{id: id, text: [text, day, x], label: stars, metadata: {numeric: [x], categorical: [day]}}"
    manifest = MANIFEST.replace("{id: id, text: text, label: stars}", fields)
    first = load(tmp_path, reader, manifest).reviews[0]
    assert (first.text, first.numbers, first.categories) == ("t", (None,), ("",))
