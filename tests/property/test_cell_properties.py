"""Any cell gives a review or a problem with a place."""

import datetime
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automm.data.images.root import ImageRoot
from automm.data.manifest import Manifest, parse_manifest
from automm.data.records.opening import Record, Source
from automm.data.records.reading import ReviewReader
from automm.data.records.review import Review
from automm.data.records.reviews import load_dataset
from automm.data.records.shape import DEEPEST
from automm.data.sections import Fields
from automm.errors import DataError

PLAIN = {"id": "r1", "text": "fine", "photos": "a.png", "label": "a", "group": "g", "split": "train", "when": "2024"}
PLAIN |= {"when": "2024-05-06", "price": "1.5", "brand": "acme", "past": "1 2 3"}
TASKS = {
    "classification": {"splits": {"column": "split"}},
    "regression": {"splits": {"time": "when"}, "task": "regression"},
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.text(st.characters(categories=["Cs"]), max_size=2)
    | st.binary(max_size=8)
    | st.decimals()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.timedeltas()
    | st.times()
    | st.sampled_from(["[" * 200_000, "[[1], [2]]", "[NaN]", "['a' 'b']", '{"a": 1}', "1" * 5000, "1e999", "9" * 999])
)
cells = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.fixed_dictionaries({"bytes": st.binary(max_size=4), "path": st.none() | st.text(max_size=4)})
    ),
    max_leaves=6,
)


def reader(task: str) -> ReviewReader:
    fields = {
        "id": "id",
        "text": ["text", "brand"],
        "images": ["photos", "img/{group}.png"],
        "separator": ",",
        "label": "label",
        "group": "group",
        "metadata": {"numeric": ["price"], "categorical": ["brand"]},
        "history": "past",
    }
    content = {"name": "x", "records": "r.jsonl", "fields": fields, "images": {"on_bad": "drop-image"}, **TASKS[task]}
    manifest = Manifest.model_validate(content)
    source = Source("r.jsonl", iter(()), Fields.model_validate(fields), Path("nowhere"))
    return ReviewReader(manifest, source, ImageRoot(source.image_root), labelled=True)


@given(st.sampled_from(sorted(TASKS)), st.sampled_from(sorted(PLAIN)), cells)
@example("classification", "past", "[" * 200_000)
@example("classification", "past", [[1], [2]])
@example("classification", "price", Decimal("NaN"))
@example("regression", "when", 10**5000)
@example("classification", "price", 10**5000)
@example("classification", "id", 10**5000)
def test_any_cell_of_any_column_ends_in_a_review_or_a_problem(task, column, cell):
    read = reader(task)
    review = read.review(Record("r.jsonl:1", PLAIN | {"label": "1", column: cell}, "r-1"))
    if review is None:
        problems = [*read.problems, *read.missing.problems]
        assert problems or read.changes
        assert all(problem.startswith("r.jsonl:1: ") and len(problem) < 1000 for problem in map(str, problems))
    else:
        assert_sound(review)


def assert_sound(review: Review) -> None:
    assert isinstance(review.id, str)
    assert review.id
    numbers = [review.value, review.time, *review.numbers, *review.history]
    assert all(number is None or abs(number) < 1e300 for number in numbers)
    assert all(isinstance(value, str) for value in (review.text, *review.categories, *review.all_labels))


@pytest.mark.parametrize("depth", [90, 101, 300, 900, 980, 990, 5000])
@pytest.mark.parametrize("column", ["text", "photos", "past", "label", "unused"])
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_nested_records_are_read_or_refused(tmp_path, depth, column, suffix):
    records = [json.dumps({"id": n, "text": "t", "photos": [], "past": [], "label": "ab"[n % 2]}) for n in range(4)]
    last = {"id": 9, "text": "t", "label": "a", column: "HERE"}
    records.append(json.dumps(last).replace('"HERE"', "[" * depth + "]" * depth))
    (tmp_path / f"r.{suffix}").write_text("\n".join(records) if suffix == "jsonl" else f"[{', '.join(records)}]")
    fields = {"id": "id", "text": "text", "images": "photos", "label": "label", "history": "past"}
    manifest = parse_manifest({"name": "x", "records": f"r.{suffix}", "fields": fields}, tmp_path / "manifest.yaml")
    if depth <= DEEPEST and column not in ("past", "label", "text"):
        assert len(load_dataset(manifest).reviews) == 5
    else:
        with pytest.raises(DataError, match=r"r\.json"):
            load_dataset(manifest)
