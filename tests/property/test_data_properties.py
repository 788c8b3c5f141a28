import contextlib
import csv
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automm.data.images.decode import PictureError, decode_picture
from automm.data.manifest import load_manifest, parse_manifest
from automm.data.quality.html import page
from automm.data.quality.run import check
from automm.data.records.opening import read_records
from automm.data.records.reviews import Dataset, Review, load_dataset
from automm.data.sections import SPLITS
from automm.data.splitting.fingerprint import fingerprint
from automm.data.splitting.links import links_of
from automm.data.splitting.split import RULES, split_dataset
from automm.data.splitting.text_forms import normal_text
from automm.errors import AutommError, DataError

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1)
rows = st.lists(st.fixed_dictionaries({"id": numbers, "text": texts}), min_size=1, max_size=6)


def manifest(folder: Path, name: str, **more):
    content = {"name": "x", "records": name, "fields": {"text": "text", "label": "label"}, **more}
    return parse_manifest(content, folder / "manifest.yaml")


def write(file: Path, records) -> None:
    if file.suffix == ".jsonl":
        text = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
        file.write_bytes(text.encode())
    elif file.suffix == ".json":
        file.write_text(json.dumps(records))
    elif file.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(records), file)
    else:
        with file.open("w", encoding="utf-8", newline="") as out:
            table = csv.DictWriter(out, ["id", "text"], delimiter="," if file.suffix == ".csv" else "\t")
            table.writeheader()
            table.writerows(records)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
@settings(max_examples=30, deadline=None)
@given(rows)
def test_records_survive_every_file_format(suffix, records):
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / f"r.{suffix}", records)
        more = {"quotes": True} if suffix == "tsv" else {}
        read = [record.values for record in read_records(manifest(Path(folder), f"r.{suffix}", **more))]
    if suffix in ("csv", "tsv"):
        read = [values | {"id": int(str(values["id"]))} for values in read]
    assert read == records


@st.composite
def datasets(draw):
    """Reviews with a few texts, pictures and groups in common."""
    count = draw(st.integers(8, 30))
    reviews = []
    for number in range(count):
        picture = draw(st.sampled_from(["", "p1", "p2", f"own {number}", f"own {number}"]))
        reviews.append(
            Review(
                id=str(number),
                text=draw(
                    st.sampled_from(
                        [
                            "",
                            "The same words again",
                            "the SAME  words again ",
                            f"own {number}",
                            f"own {number}",
                        ]
                    )
                ),
                images=(Path(picture),) if picture else (),
                label="xy"[number % 2],
                group=draw(st.sampled_from([None, None, None, "g1", "g2"])),
                split=None,
                where=f"r.jsonl:{number}",
            )
        )
    seed = draw(st.integers(0, 99))
    return Dataset(manifest(Path("/x"), "r.jsonl", splits={"seed": seed}), reviews, ("x", "y"), {})


@settings(max_examples=100, deadline=None)
@given(datasets(), st.randoms())
def test_splits_are_disjoint_complete_stable_and_keep_together(data, random):
    shuffled = list(data.reviews)
    random.shuffle(shuffled)
    other = Dataset(data.manifest, shuffled, data.labels, {})
    splits = None
    with contextlib.suppress(DataError):  # too many reviews are linked
        splits = split_dataset(data, links_of(data, {}))
    if splits is None:
        with pytest.raises(DataError):
            split_dataset(other, links_of(other, {}))
        return
    again = split_dataset(other, links_of(other, {}))
    assert sorted(int(row) for name in SPLITS for row in splits[name]) == list(range(len(data.reviews)))
    name_of = {data.reviews[row].id: name for name in SPLITS for row in splits[name]}
    assert {shuffled[row].id: name for name in SPLITS for row in again[name]} == name_of
    assert fingerprint(data, {}, splits) == fingerprint(other, {}, again)
    for one in data.reviews:
        for two in data.reviews:
            tied = (
                (normal_text(one.text) and normal_text(one.text) == normal_text(two.text))
                or set(one.images) & set(two.images)
                or (one.group is not None and one.group == two.group)
            )
            assert not tied or name_of[one.id] == name_of[two.id]


rules = st.sampled_from([{}, {"folds": 3}, {"time": "when"}, {"by": "hash"}])


@settings(max_examples=100, deadline=None)
@given(datasets(), rules, st.randoms())
def test_no_split_rule_depends_on_the_order_of_the_reviews(data, rules, random):
    reviews = [replace(review, time=float(random.randint(0, 30))) for review in data.reviews]
    ruled = manifest(Path("/x"), "r.jsonl", splits=rules | {"seed": data.manifest.splits.seed})
    names = split_names(Dataset(ruled, reviews, data.labels, {}))
    random.shuffle(reviews)
    assert split_names(Dataset(ruled, reviews, data.labels, {})) == names


@settings(max_examples=100, deadline=None)
@given(datasets(), datasets())
def test_appended_reviews_move_no_review_split_by_hash(data, more):
    ruled = manifest(Path("/x"), "r.jsonl", splits={"by": "hash"})
    new = [replace(review, id=f"new {review.id}") for review in more.reviews]
    before = split_names(Dataset(ruled, data.reviews, data.labels, {}))
    after = split_names(Dataset(ruled, [*new, *data.reviews], data.labels, {}))
    assert before.items() <= after.items()


def split_names(data):
    """The split of each review by its id, whether or not a search could use it."""
    names = RULES[data.manifest.splits.rule](data, links_of(data, {}))
    return {review.id: name for review, name in zip(data.reviews, names, strict=True)}


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=200), texts.map(str.encode), st.just(b"name: x\nrecords: 1\n")))
def test_any_bytes_as_a_manifest_give_a_manifest_or_a_named_error(raw):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.yaml"
        file.write_bytes(raw)
        with pytest.raises(AutommError):
            load_manifest(file)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(["name", "records", "fields", "labels", "splits", "images", "text", "source", "task", "format"])


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(keys, values))
def test_any_values_in_a_manifest_give_a_manifest_or_a_named_error(content):
    try:
        assert parse_manifest(content, Path("/x/manifest.yaml")).name
    except AutommError:
        return


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=100), texts.map(str.encode)))
def test_any_bytes_as_records_give_records_or_a_named_error(suffix, raw):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"r.{suffix}").write_bytes(raw)
        try:
            load_dataset(manifest(Path(folder), f"r.{suffix}"))
        except AutommError:
            return


cells = st.one_of(values, st.sampled_from(["a", "b", "../x", "/etc", "a\0", 4, 4.0]))
columns = {"id": cells, "text": cells, "photos": cells, "label": cells, "split": cells}


@settings(max_examples=80, deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=columns), max_size=5), st.booleans())
def test_any_cells_give_reviews_or_a_named_error(records, labelled):
    fields = {"id": "id", "text": "text", "images": ["photos", "{id}.png"], "label": "label"}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "r.jsonl").write_text("\n".join(json.dumps(record) for record in records))
        try:
            load_dataset(
                manifest(Path(folder), "r.jsonl", fields=fields, splits={"column": "split"}),
                labelled=labelled,
            )
        except AutommError:
            return


odd = st.sampled_from(
    [
        "<b>x</b> &amp;",
        "{{ 7 * 7 }}",
        "\u00c3\u00a9",
        "\ufffd",
        "http://x/y",
        "a " * 300,
        "\u4f60\u597d \u0e44\u0e17\u0e22",
    ]
)
told = st.fixed_dictionaries({"text": texts.filter(str.strip) | odd, "user_id": values})


@settings(max_examples=60, deadline=None)
@given(st.lists(told, min_size=12, max_size=14), rules)
def test_whatever_the_texts_say_check_reports_and_its_page_is_whole(records, rule):
    with tempfile.TemporaryDirectory() as folder:
        lines = [json.dumps(record | {"when": n, "label": "ab"[n % 2]}) for n, record in enumerate(records)]
        (Path(folder) / "r.jsonl").write_text("\n".join(lines))
        written = {
            "name": "<i>{{ x }}",
            "records": "r.jsonl",
            "fields": {"text": "text", "label": "label"},
            "splits": rule,
        }
        (Path(folder) / "manifest.yaml").write_text(json.dumps(written))
        try:
            report = check(Path(folder) / "manifest.yaml")
        except AutommError:
            return
    text = page(report)
    assert text.endswith("</html>")
    assert "<b>x" not in text
    assert "&lt;i&gt;{{ x }}" in text
    assert json.loads(json.dumps(report.to_dict()))["reviews"] == len(records)


HEADS = [
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"RIFF\0\0\0\0WEBP",
]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([b"", *HEADS]), st.binary(max_size=200))
def test_any_bytes_as_a_picture_give_pixels_or_a_named_error(head, raw):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.png"
        file.write_bytes(head + raw)
        try:
            assert decode_picture(file, 4).shape == (4, 4, 3)
        except PictureError:
            return


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"]), st.data())
def test_any_harm_to_a_picture_gives_pixels_or_a_named_error(form, data):
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.radial_gradient("L").resize((16, 16)).convert("RGB").save(out, form)
    raw = bytearray(out.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(len(raw) // 2, len(raw))) :]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.png"
        file.write_bytes(raw)
        try:
            assert decode_picture(file, 4).shape == (4, 4, 3)
        except PictureError:
            return
