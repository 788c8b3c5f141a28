"""A layout of somebody's own: `format: my_module:my_reader`, which runs only where the command line allows it."""

import sys

import pytest

from automm.config import load_experiment
from automm.data.manifest import load_manifest
from automm.data.reviews import load_dataset
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


def test_it_reads_what_the_function_yields(tmp_path):
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
def test_a_reader_that_fails_is_named_with_its_line(tmp_path, reader, error, expected):
    with pytest.raises(error, match=expected):
        load(tmp_path, reader)


def test_its_manifest_needs_fields_and_a_path(tmp_path):
    with pytest.raises(ConfigError, match="fields missing"):
        load(tmp_path, manifest="name: own\nformat: my_shop:read\npath: export\n")


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(NotFoundError, match="elsewhere: no such file or folder"):
        load(tmp_path, manifest=MANIFEST.replace("export", "elsewhere"))


def test_half_a_surrogate_pair_is_named(tmp_path):
    with pytest.raises(DataError, match=r"read:1: 'id' holds half a surrogate pair"):
        load(tmp_path, READER.replace("{path.name}", r"\ud83d"))
