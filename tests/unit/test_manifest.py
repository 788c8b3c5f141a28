import contextlib
import copy
import math
from pathlib import Path

import pytest

from automm.config.schema import Section
from automm.data.layouts import LAYOUTS, find_layout
from automm.data.manifest import Manifest, load_manifest, parse_manifest
from automm.data.sections import plain_value
from automm.errors import ConfigError, NotFoundError

GOOD = """\
name: phone-reviews
records: reviews.jsonl
fields:
  id: review_id
  text: [title, body]
  images: photos
  label: rating
labels: {map: {negative: [1, 2], positive: [4, 5.0]}}
"""


def load(tmp_path: Path, text: str):
    file = tmp_path / "manifest.yaml"
    file.write_text(text, encoding="utf-8")
    return load_manifest(file)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.exit_code == 2
    return caught.value.lines


def test_a_manifest_knows_its_place_and_its_defaults(tmp_path):
    manifest = load(tmp_path, GOOD)
    assert manifest.file == tmp_path / "manifest.yaml"
    assert manifest.folder == tmp_path
    assert manifest.fields.text == ("title", "body")
    assert manifest.fields.images == ("photos",)
    assert manifest.fields.label.column == "rating"
    assert manifest.labels.map == {"negative": ("1", "2"), "positive": ("4", "5")}
    assert manifest.splits.shares == {"train": 0.7, "validation": 0.15, "test": 0.15}
    assert "file" not in manifest.model_dump()


def test_a_manifest_written_and_read_is_the_same(tmp_path):
    manifest = load(tmp_path, GOOD)
    assert parse_manifest(manifest.model_dump(mode="json"), manifest.file) == manifest


def test_every_problem_is_reported_at_once_with_its_line(tmp_path):
    found = problems(
        tmp_path, GOOD.replace("name:", "nmae:").replace("  label: rating", "  lable: rating") + "taks: 1\n"
    )
    assert [line.split(":")[1] for line in found] == ["1", "1", "7", "9"]
    assert any("unknown key 'nmae'. Did you mean 'name'?" in line for line in found)
    assert any("unknown key 'fields.lable'. Did you mean 'label'?" in line for line in found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "task: regression",
            "a regression predicts a number and has no labels to map. Remove all keys of labels but on_missing",
        ),
        ("format: mvvsa", "unknown format 'mvvsa'. Did you mean 'mvsa'? Known formats and the files that each needs:"),
        ("format: my_module:my_reader", "would run code of that module. If you trust it, add --allow-code"),
        ("options: {a: 1}", "format 'records' has no options"),
        ("splits: {fractions: {train: 0.7, validation: 0.1, test: 0.1}}", "sum to 0.9, expected 1"),
        ("splits: {fractions: {train: 1, validation: 0, test: 0}}", "validation"),
        ("splits: {fractions: {train: 0.9, dev: 0.1}}", "unknown key 'splits.fractions.dev'"),
        (
            "splits: {column: s, fractions: {train: 0.8, validation: 0.1, test: 0.1}}",
            "fractions and column exclude each other",
        ),
        ("splits: {column: s, values: {dev: valid}}", "splits.values.dev"),
        ("splits: {values: {dev: validation}}", "values needs column"),
        ("images: {on_bad: ignore}", "'error', 'drop-image' or 'drop-review'"),
        ("delimiter: ;;", "delimiter: expected one character"),
        ('delimiter: "\\""', "delimiter: expected one character"),
        ("delimiter: '\\t'", 'in double quotes, such as ";" or "\\t"'),
        ("quotes: maybe", "quotes: "),
        ("encoding: utf-9", "Python knows no text encoding 'utf-9'"),
        ("path: folder", "path is for native formats"),
        ("name: again", "duplicate key 'name' (first in line 1)"),
        ("source: &a {}\nimages: *a", "aliases"),
        ("text: !!python/name:os.system x", "the tag"),
        ("x: [1", "not YAML"),
        ("seed: " + "9" * 5000, "too many digits"),
    ],
)
def test_illegal_manifests(tmp_path, line, expected):
    assert any(expected in problem for problem in problems(tmp_path, GOOD + line + "\n"))


HOSTILE = [[], ["x"], [[1]], [{}], {}, {"a": 1}, {"a": {"b": [1]}}, None, "x", "", 5, -1, 0.5, True, math.nan, math.inf]
HOSTILE += [10**400, "x" * 300, "a\0b", "1e-3", {"x": ["y"], "z": [["y"]]}, {"train": [1], "validation": {}}]


def places_of(section, place=()):
    """Every key of a section and of those in it."""
    for key, field in section.model_fields.items():
        yield (*place, key)
        for option in getattr(field.annotation, "__args__", (field.annotation,)):
            if isinstance(option, type) and issubclass(option, Section):
                yield from places_of(option, (*place, key))


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: str(value)[:20])
def test_any_value_at_any_key_is_a_manifest_or_a_named_error(tmp_path, value):
    file = tmp_path / "manifest.yaml"
    layouts = [
        ({"name": "x", "format": name, "path": "p"}, find_layout(name).options, ("options",)) for name in LAYOUTS
    ]
    good = {"name": "x", "records": "r.csv", "fields": {"text": "t", "label": {"column": "l"}}}
    for content, section, above in [(good, Manifest, ()), *layouts]:
        for place in [*places_of(section, above), *((*above, key) for key in ("x", "", 5))]:
            changed = inside = copy.deepcopy(content)
            for key in place[:-1]:
                inside = inside.setdefault(key, {})
            inside[place[-1]] = value
            with contextlib.suppress(ConfigError):
                parse_manifest(changed, file)


def test_columns_beside_text_and_pictures(tmp_path):
    keys = "  metadata: {numeric: price, categorical: [brand]}\n  history: past\n"
    manifest = load(tmp_path, GOOD.replace("  id: review_id\n", keys))
    assert (manifest.fields.numeric, manifest.fields.categorical) == (("price",), ("brand",))
    assert (manifest.fields.history_columns, manifest.columns) == (("past",), ("metadata", "history"))
    assert load(tmp_path, GOOD).columns == ()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("metadata: {}", "fields.metadata: no column is named. Name a numeric or a categorical column"),
        ("metadata: {numeric: [a, b], categorical: [b]}", "fields.metadata: columns named twice: b"),
        ("metadata: {nmeric: [a]}", "unknown key 'fields.metadata.nmeric'. Did you mean 'numeric'?"),
        ("metadata: price", "fields.metadata"),
    ],
)
def test_illegal_metadata(tmp_path, key, expected):
    (found,) = problems(tmp_path, GOOD.replace("  id: review_id", f"  {key}"))
    assert found.startswith("manifest.yaml:4: ")
    assert expected in found


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("{a: [1, 2], b: [2.0]}", "value '2' belongs to both 'a' and 'b'"),
        ("{a: [1]}", "at least two labels"),
        ("{1: [x], 1.0: [y]}", "label '1' is listed twice"),
    ],
)
def test_label_maps_that_contradict_themselves(tmp_path, mapping, expected):
    text = GOOD.replace("{negative: [1, 2], positive: [4, 5.0]}", mapping)
    assert any(expected in problem for problem in problems(tmp_path, text))


def test_a_native_layout_has_fields_that_the_manifest_may_change(tmp_path):
    text = "name: x\nformat: mvsa\npath: p\nfields: {label: other, group: id}\n"
    fields = load(tmp_path, text).fields
    assert (fields.text, fields.images, fields.label.column, fields.group) == (("text",), ("image",), "other", "id")


def test_an_unknown_option_is_answered_with_the_legal_ones(tmp_path):
    found = problems(tmp_path, "name: x\nformat: mvsa\npath: p\noptions:\n  size: 1\n")
    assert found == ["manifest.yaml:5: unknown key 'options.size'. Legal here: none"]


def test_yes_and_no_and_dates_stay_words(tmp_path):
    text = GOOD.replace("{negative: [1, 2], positive: [4, 5.0]}", "{no: [no, 2020-01-01], yes: [yes, true]}")
    assert load(tmp_path, text).labels.map == {"no": ("no", "2020-01-01"), "yes": ("yes", "true")}


def test_missing_keys_are_reported(tmp_path):
    assert "records and fields missing" in problems(tmp_path, "name: x\n")[0]
    assert "needs the key path" in problems(tmp_path, "name: x\nformat: mvsa\n")[0]
    assert "at least one column" in problems(tmp_path, "name: x\nrecords: r.csv\nfields: {label: l}\n")[0]


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "\t", '"\\ud800": 1', "[" * 1200])
def test_files_that_are_no_manifest(tmp_path, text):
    problems(tmp_path, text)


def test_bytes_that_are_not_utf8(tmp_path):
    (tmp_path / "manifest.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_manifest(tmp_path / "manifest.yaml")


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="no such file") as caught:
        load_manifest(tmp_path / "manifest.yaml")
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        (4, "4"),
        (4.0, "4"),
        ("4", "4"),
        ("4.0", "4"),
        (" a ", "a"),
        (True, "true"),
        ("False", "false"),
        (4.5, "4.5"),
    ],
)
def test_the_normal_form_of_labels(value, normal):
    assert plain_value(value) == normal


def test_every_shipped_manifest_is_legal():
    files = sorted((Path(__file__).parents[2] / "data_manifests").glob("*.yaml"))
    assert files
    assert all(load_manifest(file).name for file in files)


def test_a_bundle_keeps_the_dialect_of_tables_and_reads_other_forms(tmp_path):
    given = parse_manifest(
        {
            "name": "x",
            "records": "r.csv",
            "delimiter": ";",
            "quotes": False,
            "encoding": "cp1252",
            "fields": {"text": "t"},
        },
        tmp_path / "manifest.yaml",
    )
    dumped = given.model_dump(mode="json", exclude_none=True)  # as a bundle keeps it
    again = parse_manifest(dumped | {"records": "other.jsonl"}, tmp_path / "manifest.yaml")
    assert (again.delimiter, again.quotes, again.encoding) == (";", False, "cp1252")
    with pytest.raises(
        ConfigError, match=r"delimiter and quotes: only for \.csv and \.tsv files of format 'records', not for 'mvsa'"
    ):
        parse_manifest({"name": "x", "format": "mvsa", "path": "p", "delimiter": ";", "quotes": False}, given.file)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('fields: {text: t, images: {column: photos, separator: ";"}}', "Write fields: {images: photos, separator: ;}"),
        ("fields: {text: {title: t}}", "expected a name, or a list of names"),
        ("records: [a.csv, b.csv]", "expected one file, or a pattern"),
    ],
)
def test_what_is_nearly_right_has_its_fix(tmp_path, line, expected):
    key = line.partition(":")[0]
    rest = [one for one in ("name: x", "records: a.csv", "fields: {text: t}") if not one.startswith(key)]
    assert expected in problems(tmp_path, "\n".join([*rest, line]))[0]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ("{columns: past, seperator: ';'}", "unknown key 'fields.history.seperator'. Did you mean 'separator'?"),
        ("{columns: []}", "fields.history.columns: "),
        ("{separator: ';'}", "fields.history.columns: "),
        ("7", "fields.history: "),
        ("['']", "fields.history.columns: a name is empty"),
    ],
)
def test_illegal_histories(tmp_path, history, expected):
    text = f"name: x\nrecords: r.csv\nfields: {{text: t, history: {history}}}\n"
    assert expected in problems(tmp_path, text)[0]
