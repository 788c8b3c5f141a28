"""Metadata and history: what cells may hold, what is learned of them, and the arrays that they become."""

import json
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from automm.config.inputs import Inputs
from automm.data.inputs.columns import MOST_CHARACTERS, MOST_VALUES, Columns, largest_shapes
from automm.data.manifest import parse_manifest
from automm.data.records.field_values import cell_history, cell_images, cell_number
from automm.data.records.review import Review
from automm.data.records.reviews import load_dataset
from automm.data.sections import Fields, History
from automm.data.splitting.fingerprint import fingerprint
from automm.errors import ConfigError, DataError

FIELDS = Fields.model_validate(
    {"text": "text", "metadata": {"numeric": ["price"], "categorical": ["brand"]}, "history": "past"}
)


def review(number: int, price=None, brand="", past=()) -> Review:
    columns = {"numbers": (price,), "categories": (brand,), "history": tuple(past)}
    return Review(str(number), "t", (), "x", None, None, f"r:{number}", **columns)


class TestCells:
    @pytest.mark.parametrize(
        ("cell", "number"),
        [(3, 3.0), (2.5, 2.5), (" -1e3 ", -1000.0), (".5", 0.5), ("7.", 7.0), (Decimal("1.10"), 1.1), ("0", 0.0)],
    )
    def test_numbers(self, cell, number):
        assert cell_number(cell, "price") == number

    @pytest.mark.parametrize("cell", [None, "", "  ", float("nan")])
    def test_nothing(self, cell):
        assert cell_number(cell, "price") is None

    @pytest.mark.parametrize(
        "cell",
        ["1,024", "$12.50", "12 EUR", "1_000", "nan", "inf", "0x10", "١٢", True, "true", [1], {}, b"1", 1e39, "1e999",
         float("inf"), 10**400, "cheap"],
        ids=lambda cell: repr(cell)[:12],
    )  # fmt: skip
    def test_values_that_are_no_number_are_refused(self, cell):
        with pytest.raises(ValueError, match=r"column 'price' holds .* expected a plain number such as 12\.5"):
            cell_number(cell, "price")

    @pytest.mark.parametrize("cell", ["1" * 100_000 + "x", "1" * 100_000, "1" * 50_000 + "." + "1" * 50_000 + "x"])
    def test_a_long_text_of_digits_costs_no_time(self, cell):
        began = time.process_time()
        with pytest.raises(ValueError, match="expected a plain number"):
            cell_number(cell, "price")
        assert time.process_time() - began < 5  # milliseconds; a pattern that tries every split of the digits: minutes

    @pytest.mark.parametrize(
        ("cell", "steps"),
        [
            ([1, 2.5, None], (1.0, 2.5, None)),
            ("3 4\t5", (3.0, 4.0, 5.0)),
            ("[1, null, 2]", (1.0, None, 2.0)),
            (4, (4.0,)),
            ([], ()),
            ("", ()),
            (None, ()),
        ],
        ids=str,
    )
    def test_series(self, cell, steps):
        assert cell_history({"past": cell}, FIELDS) == steps

    def test_a_separator_keeps_the_place_of_what_is_missing(self):
        fields = Fields(text=("text",), history=History(columns=("past",), separator=","))
        assert cell_history({"past": "3,,4"}, fields) == (3.0, None, 4.0)

    @pytest.mark.parametrize(
        ("content", "separator"),
        [
            ({"history": "past", "separator": ","}, ","),
            ({"history": ["past"], "separator": ",", "images": "photos"}, ","),  # as before it had one of its own
            ({"history": {"columns": "past"}, "separator": ",", "images": "photos"}, None),
            ({"history": {"columns": ["past"], "separator": ";"}, "separator": ",", "images": "photos"}, ";"),
            ({"history": "past"}, None),
        ],
        ids=str,
    )
    def test_a_history_may_have_its_own_separator(self, content, separator):
        fields = Fields.model_validate({"text": "text", **content})
        assert fields.history == History(columns=("past",), separator=separator)
        assert fields.separator == content.get("separator")
        assert Fields.model_validate(json.loads(fields.model_dump_json())) == fields
        assert Fields.model_validate(fields.model_dump(exclude_defaults=True)) == fields

    def test_pictures_and_history_have_separate_separators(self):
        content = {"images": "photos", "separator": ";", "history": {"columns": "past", "separator": ","}}
        fields = Fields.model_validate(content)
        values = {"photos": "a,1.png; b.png", "past": "1,,2.5"}
        assert cell_images(values, fields) == ["a,1.png", "b.png"]
        assert cell_history(values, fields) == (1.0, None, 2.5)
        spaces = Fields.model_validate({**content, "history": {"columns": "past"}})
        assert cell_history({"past": "1  2\t3"}, spaces) == (1.0, 2.0, 3.0)

    def test_no_history(self):
        for none in ([], (), None):
            assert Fields.model_validate({"text": "text", "history": none}).history_columns == ()

    def test_several_columns_are_one_step_each(self):
        fields = FIELDS.model_copy(update={"history": History(columns=("first", "second"))})
        assert cell_history({"first": None, "second": "2"}, fields) == (None, 2.0)

    @pytest.mark.parametrize("cell", ["1;2", "[1, 2", "[[1]]", ["a"], {"a": 1}, "[1]]"], ids=str)
    def test_illegal_series(self, cell):
        with pytest.raises(ValueError, match="column 'past'"):
            cell_history({"past": cell}, FIELDS)


class TestColumns:
    def test_a_missing_number_is_the_training_median_and_marked(self):
        train = [review(0, 1.0), review(1, 3.0), review(2, 100.0), review(3)]
        columns = Columns.learn(FIELDS, train, 2)
        assert columns.medians == {"price": 3.0}
        encoded = columns.encode([review(9, 7.0), review(10)])["metadata"]
        names = columns.names
        np.testing.assert_array_equal(encoded[:, names.index("price")], [7, 3])
        np.testing.assert_array_equal(encoded[:, names.index("price (missing)")], [0, 1])

    def test_each_review_has_exactly_one_mark_of_a_category(self):
        train = [review(n, 1.0, brand) for n, brand in enumerate("bbaaacd")]
        columns = Columns.learn(FIELDS, train, 2)
        assert columns.values == {"brand": ("a", "b")}  # frequent first; what one review has is "other"
        marks = columns.encode([review(n, 1.0, brand) for n, brand in enumerate(["a", "b", "c", "new", ""])])[
            "metadata"
        ]
        names = columns.names
        assert names == ["price", "price (missing)", "brand=a", "brand=b", "brand (other)", "brand (missing)"]
        np.testing.assert_array_equal(marks[:, 2:].argmax(axis=1), [0, 1, 2, 2, 3])
        np.testing.assert_array_equal(marks[:, 2:].sum(axis=1), 1)

    def test_a_value_named_other_is_a_value(self):
        columns = Columns.learn(FIELDS, [review(n, 1.0, "(other)") for n in range(3)], 2)
        marks = columns.encode([review(0, 1.0, "(other)"), review(1, 1.0, "x")])["metadata"][:, 2:]
        np.testing.assert_array_equal(marks, [[1, 0, 0], [0, 1, 0]])

    def test_a_column_of_many_values_keeps_the_frequent_ones(self):
        train = [review(n, 1.0, f"v{n % (MOST_VALUES + 9):03d}") for n in range(3 * (MOST_VALUES + 9))]
        assert len(Columns.learn(FIELDS, train, 2).values["brand"]) == MOST_VALUES

    def test_a_history_is_padded_on_the_left_and_keeps_its_latest_steps(self):
        columns = Columns.learn(FIELDS, [], 3)
        given = [review(0, past=[1, 2, 3, 4]), review(1, past=[5]), review(2), review(3, past=[6, None, 7])]
        arrays = columns.encode(given)
        np.testing.assert_array_equal(arrays["history"], [[2, 3, 4], [0, 0, 5], [0, 0, 0], [6, 0, 7]])
        np.testing.assert_array_equal(arrays["history_mask"], [[1, 1, 1], [0, 0, 1], [0, 0, 0], [1, 0, 1]])
        assert columns.dropped_steps(given) == 1

    def test_a_review_without_any_metadata_is_masked(self):
        columns = Columns.learn(FIELDS, [review(0, 1.0, "a")], 2)
        given = [review(0, 1.0), review(1, None, "new"), review(2)]
        np.testing.assert_array_equal(columns.encode(given)["metadata_mask"], [1, 1, 0])

    def test_arrays_have_one_type_and_exist_only_if_named(self):
        columns = Columns.learn(FIELDS, [review(0, 1.0, "a")], 2)
        assert {array.dtype for array in columns.encode([review(0)]).values()} == {np.dtype(np.float32)}
        assert columns.encode([])["metadata"].shape == (0, 4)
        for fields in (None, Fields(text=("t",))):
            assert Columns.learn(fields, [review(0)], 8).encode([review(0)]) == {}

    def test_json_keeps_the_encoding(self):
        columns = Columns.learn(FIELDS, [review(n, n / 3, "ab"[n % 2]) for n in range(8)], 5)
        assert Columns.from_dict(json.loads(json.dumps(columns.to_dict()))) == columns


class TestCategoriesInText:
    def columns(self, where="text", fields=FIELDS):
        return Columns.learn(fields, [review(0, 1.0, "a"), review(1, 1.0, "a")], 2, where)

    def test_a_line_for_each_category_then_the_text(self):
        given = [review(0, 7.0, "Acme"), review(1, 7.0), replace(review(2, brand="Acme"), text="")]
        assert self.columns().texts(given) == ["brand: Acme\nt", "t", "brand: Acme"]
        assert self.columns("both").texts(given) == self.columns().texts(given)
        assert self.columns("tower").texts(given) == ["t", "t", ""]

    def test_columns_are_in_the_order_of_the_manifest(self):
        fields = Fields.model_validate({"text": "t", "metadata": {"categorical": ["zone", "a\nb: c"]}})
        given = replace(review(0), categories=("north", "x"))
        columns = Columns.learn(fields, [replace(given, numbers=(), history=())], 2, "text")
        assert columns.texts([given]) == ["zone: north\na b: c: x\nt"]

    def test_a_value_cannot_begin_a_line_or_displace_the_text(self):
        hostile = ["Acme\r\nprice: 3\u2028x\x85y\x0bz", "\n" * 9 + "v" * 5000 + "\nend", "\0 \t :"]
        given = [review(number, brand=value) for number, value in enumerate(hostile)]
        texts = self.columns().texts(given)
        assert texts == ["brand: Acme price: 3 x y z\nt", f"brand: {'v' * MOST_CHARACTERS}\nt", "brand: \0 :\nt"]
        assert (self.columns().cut_values(given), self.columns("tower").cut_values(given)) == (1, 0)

    def test_the_tower_keeps_numbers_only(self):
        columns, given = self.columns(), [review(0, 7.0, "a"), review(1, None, "a"), review(2)]
        assert columns.names == ["price", "price (missing)"]
        encoded = columns.encode(given)
        np.testing.assert_array_equal(encoded["metadata"], [[7, 0], [1, 1], [1, 1]])
        np.testing.assert_array_equal(encoded["metadata_mask"], [1, 0, 0])
        both, tower = self.columns("both").encode(given), self.columns("tower").encode(given)
        assert both.keys() == tower.keys()
        for name, array in both.items():
            np.testing.assert_array_equal(array, tower[name])

    def test_without_a_number_there_is_no_tower(self):
        content = {"name": "n", "records": "r.jsonl", "fields": {"text": "t", "label": "l"}}
        content["fields"]["metadata"] = {"categorical": ["brand"]}
        manifest = parse_manifest(content, Path("manifest.yaml"))
        columns = Columns.learn(manifest.fields, [replace(review(0, brand="a"), numbers=())], 2, "text")
        assert columns.encode([replace(review(0, brand="a"), numbers=())]) == {}
        assert manifest.towers(Inputs(categories="text")) == ()
        assert largest_shapes(manifest.fields, Inputs(categories="text")) == {}
        for where in ("tower", "both"):
            assert manifest.towers(Inputs(categories=where)) == ("metadata",)
            assert largest_shapes(manifest.fields, Inputs(categories=where))["metadata"] == (MOST_VALUES + 2,)

    @pytest.mark.parametrize("where", ["text", "both"])
    @pytest.mark.parametrize("metadata", [None, {"numeric": ["price"]}])
    def test_a_manifest_without_categories_is_refused(self, where, metadata):
        content = {"name": "n", "records": "r.jsonl", "fields": {"text": "t", "label": "l", "metadata": metadata}}
        manifest = parse_manifest(content, Path("manifest.yaml"))
        with pytest.raises(ConfigError, match=f"inputs.categories is {where}, but manifest.yaml names no categorical"):
            manifest.towers(Inputs(categories=where))

    def test_a_review_without_a_category(self):
        fields = Fields.model_validate({"text": "t", "metadata": {"categorical": ["zone", "brand", "kind"]}})
        given = Review("1", "t", (), None, None, None, "r:1", categories=("a", "b", "c"))
        columns = Columns.learn(fields, [given], 2, "both")
        assert columns.without("brand", given).categories == ("a", "", "c")
        assert columns.texts([columns.without("brand", given)]) == ["zone: a\nkind: c\nt"]

    def test_json_keeps_where_categories_are_and_an_earlier_run_has_them_in_the_tower(self):
        plain = json.loads(json.dumps(self.columns("both").to_dict()))
        assert Columns.from_dict(plain) == self.columns("both")
        del plain["categories"]
        assert Columns.from_dict(plain) == self.columns("tower")


class TestLoading:
    def load(self, tmp_path: Path, *changes, fields=("metadata", "history")):
        rows = [{"text": f"t {n}", "label": "xy"[n % 2], "price": n, "brand": "a", "past": [1, 2]} for n in range(4)]
        for row, change in zip(rows, changes, strict=False):
            row |= change
        (tmp_path / "r.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        named = FIELDS.model_dump(include=set(fields), exclude_none=True)
        content = {"name": "x", "records": "r.jsonl", "fields": {"text": "text", "label": "label", **named}}
        return load_dataset(parse_manifest(content, tmp_path / "manifest.yaml"))

    def test_reviews_carry_their_columns(self, tmp_path):
        first = self.load(tmp_path, {"brand": 4.0, "price": None}).reviews[0]
        assert (first.numbers, first.categories, first.history) == ((None,), ("4",), (1.0, 2.0))

    def test_every_wrong_cell_is_reported_with_its_record(self, tmp_path):
        with pytest.raises(DataError) as caught:
            self.load(tmp_path, {"price": "$1"}, {"past": ["a"]}, {"brand": [1]})
        assert [problem.split(": ")[0] for problem in caught.value.lines] == ["r.jsonl:1", "r.jsonl:2", "r.jsonl:3"]

    def test_a_column_that_no_record_has_is_one_problem(self, tmp_path):
        self.load(tmp_path)
        fields = {"text": "text", "label": "label", "metadata": {"numeric": ["prize"]}}
        manifest = parse_manifest({"name": "x", "records": "r.jsonl", "fields": fields}, tmp_path / "manifest.yaml")
        with pytest.raises(DataError) as caught:
            load_dataset(manifest)
        assert caught.value.lines[0].startswith(
            "r.jsonl: no column 'prize' (named in fields.metadata). Did you mean 'price'?"
        )

    def test_the_fingerprint_knows_the_columns_where_the_manifest_names_them(self, tmp_path):
        def digests(fields):
            datasets = [self.load(tmp_path, change, fields=fields) for change in ({}, {"price": 9}, {"past": [3]})]
            return {fingerprint(dataset, {}, {}) for dataset in datasets}

        assert len(digests(("metadata", "history"))) == 3
        assert len(digests(())) == 1


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "None", "none", "null", "NULL", "<NA>", "", " ", "[nan]", "[None]", "[null]"]
)
def test_a_missing_value_written_as_text_is_no_picture(word):
    fields = Fields(images=("photo", "{photo}.jpg"), separator=";")
    assert cell_images({"photo": word}, fields) == []
    assert cell_images({"photo": [word, "a.png"]}, Fields(images="photo")) == ["a.png"]
    assert cell_images({"photo": f"a.png;{word};b.png"}, Fields(images="photo", separator=";")) == ["a.png", "b.png"]


def test_a_missing_value_in_a_list_written_as_text_is_no_picture():
    assert cell_images({"photo": '["a.png", null, NaN, ""]'}, Fields(images="photo")) == ["a.png"]
    assert cell_images({"photo": "['a.png', None]"}, Fields(images="photo")) == ["a.png"]
