import gzip
import json
from pathlib import Path

import pytest

from automm.data.manifest import parse_manifest
from automm.data.records import forms
from automm.data.records.opening import read_records
from automm.errors import DataError, NotFoundError

BIG = 1_617_235_200_000_000_001


def manifest(tmp_path: Path, name: str, **more):
    content = {"name": "x", "records": name, "fields": {"text": "text", "label": "label"}, **more}
    return parse_manifest(content, tmp_path / "manifest.yaml")


def read(tmp_path: Path, name: str, content: str | bytes, **more):
    raw = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(raw)
    return list(read_records(manifest(tmp_path, name, **more)))


def faults(tmp_path: Path, name: str, content: str | bytes, **more) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(tmp_path, name, content, **more)
    assert caught.value.exit_code == 3
    return caught.value.lines


def test_json_lines(tmp_path):
    content = f'\ufeff{{"id": {BIG}, "text": "a\u2028b"}}\r\n\r\n{{"id": "2"}}'
    first, second = read(tmp_path, "reviews.jsonl", content)
    assert first.values == {"id": BIG, "text": "a\u2028b"}
    assert (first.where, second.where, second.fallback_id) == (
        "reviews.jsonl:1",
        "reviews.jsonl:3",
        "reviews-3",
    )


def test_a_json_array(tmp_path):
    rows = read(tmp_path, "r.json", json.dumps([{"a": 1}, {"a": None}]))
    assert [row.values for row in rows] == [{"a": 1}, {"a": None}]
    assert rows[1].where == "r.json:2"


@pytest.mark.parametrize(
    ("name", "mark", "more"),
    [
        ("r.csv", ",", {}),
        ("r.tsv", "\t", {"quotes": True}),
        ("r.csv", ";", {"delimiter": ";"}),
        ("r.tsv", "|", {"delimiter": "|"}),
        ("r.csv", "\t", {"delimiter": "\t", "quotes": True}),
    ],
)
def test_cells_of_tables_are_strings(tmp_path, name, mark, more):
    content = f'\ufeffid{mark}text\r\n{BIG}{mark}"two\r\nlines"\r\n007{mark}\r\n'
    rows = read(tmp_path, name, content, **more)
    assert [row.values for row in rows] == [
        {"id": str(BIG), "text": "two\r\nlines"},
        {"id": "007", "text": ""},
    ]
    assert [row.where for row in rows] == [f"{name}:2", f"{name}:4"]


def test_parquet_keeps_large_integers_beside_missing_ones(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": [BIG, None], "photos": [["a.png"], []]}), tmp_path / "r.parquet")
    rows = list(read_records(manifest(tmp_path, "r.parquet")))
    assert [row.values for row in rows] == [{"id": BIG, "photos": ["a.png"]}, {"id": None, "photos": []}]


def test_a_glob_reads_all_files_in_order(tmp_path):
    (tmp_path / "b.jsonl").write_text('{"n": 2}')
    (tmp_path / "a.jsonl").write_text('{"n": 1}')
    assert [row.values["n"] for row in read_records(manifest(tmp_path, "*.jsonl"))] == [1, 2]


def test_another_encoding(tmp_path):
    rows = read(tmp_path, "r.csv", "text\n好\n".encode("gb18030"), encoding="gb18030")
    assert rows[0].values == {"text": "好"}


TWO_LINES_IN_QUOTES = 'id\ttext\n1\t"begins\n2\tmiddle\n3\tends"\n4\tplain\n'


def test_an_opening_quote_in_a_tsv_merges_no_lines(tmp_path):
    [problem] = faults(tmp_path, "r.tsv", TWO_LINES_IN_QUOTES)
    assert problem.startswith("r.tsv:2: a quoted cell continues to line 4. Set quotes: false")
    rows = read(tmp_path, "r.tsv", TWO_LINES_IN_QUOTES, quotes=False)
    assert [row.values["text"] for row in rows] == ['"begins', "middle", 'ends"', "plain"]


def test_a_quote_inside_a_tsv_cell_has_a_fix(tmp_path):
    content = 'id\ttext\n1\t"Great" phone\n2\tplain\n'
    [problem] = faults(tmp_path, "r.tsv", content)
    assert problem.startswith("r.tsv:2: not TSV: '\t' expected after '\"'. Set quotes: false")
    assert [row.values["text"] for row in read(tmp_path, "r.tsv", content, quotes=False)] == ['"Great" phone', "plain"]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_table_of_one_column_suggests_a_delimiter(tmp_path, mark):
    content = f"id{mark}text\n1{mark}good, and cheap\n"
    [problem] = faults(tmp_path, "r.csv", content)
    assert problem.startswith("r.csv:1: only one column, ")
    assert f"Set delimiter: {json.dumps(mark)}" in problem
    assert read(tmp_path, "r.csv", content, delimiter=mark)[0].values == {"id": "1", "text": "good, and cheap"}


def test_one_column_named_with_a_delimiter_can_be_read(tmp_path):
    assert read(tmp_path, "r.csv", "good;bad\nx\n", delimiter=",")[0].values == {"good;bad": "x"}


def test_a_long_cell_is_read_and_an_endless_one_reported(tmp_path, monkeypatch):
    long = "x" * 200_000
    assert read(tmp_path, "r.csv", f"text\n{long}\n")[0].values == {"text": long}
    monkeypatch.setattr("automm.data.records.forms.LARGEST_CELL", 1_000)
    [problem] = faults(tmp_path, "r.csv", f"text\n{long}\n")
    assert "field larger than field limit (1000). Close the open quotation mark" in problem


def test_json_lines_may_be_called_json(tmp_path):
    rows = read(tmp_path, "r.json", '\n{"a": 1}\n{"a": 2}\n')
    assert [(row.where, row.values) for row in rows] == [("r.json:2", {"a": 1}), ("r.json:3", {"a": 2})]
    assert faults(tmp_path, "r.json", '{"a": 1}\n{"a": \n')[0].startswith("r.json:2: not JSON")


def test_a_list_inside_an_object_is_reported_with_its_key(tmp_path):
    [problem] = faults(tmp_path, "r.json", '{"version": 1, "reviews": [{"text": "x"}]}')
    assert "expected an array [...], got an object with a list under 'reviews'" in problem


def test_invalid_bytes_are_one_problem_per_file(tmp_path):
    [problem] = faults(tmp_path, "r.jsonl", b'{"a": 1}\n{"a": "\xff"}\n{"a": 2}\n{"a": "\xfe"}')
    assert problem.startswith("r.jsonl:2: not utf-8 (and 1 more line). Set encoding")


@pytest.mark.parametrize("quoted", [b"a\n1\n\xff\n2\n\xfe", b'a\n1\n"\xff\n2\n\xfe"\n'])
def test_a_table_is_read_up_to_the_first_invalid_bytes(tmp_path, quoted):
    (tmp_path / "r.csv").write_bytes(quoted)
    rows = []
    with pytest.raises(DataError) as caught:
        rows.extend(read_records(manifest(tmp_path, "r.csv")))
    assert [line.split(". ")[0] for line in caught.value.lines] == ["r.csv:3: not utf-8 (and 1 more line)"]
    assert all(row.values == {"a": "1"} for row in rows)


def test_utf_16_is_read_line_by_line(tmp_path):
    rows = read(tmp_path, "r.jsonl", '{"a": "\u0a0a"}\n{"a": 2}\n'.encode("utf-16"), encoding="utf-16")
    assert [row.values["a"] for row in rows] == ["\u0a0a", 2]


def test_malformed_lines_are_collected_and_the_others_read(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"a": 1}\n{"a": \n[1]\n{"a": "\\ud800"}\n{"a": 2}\n' + "[" * 100_000)
    rows = []
    with pytest.raises(DataError) as caught:
        rows.extend(read_records(manifest(tmp_path, "r.jsonl")))
    assert [row.values["a"] for row in rows] == [1, 2]
    assert [line.split(": ")[0] for line in caught.value.lines] == [f"r.jsonl:{n}" for n in (2, 3, 4, 6)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.csv", "a,b\n1\n1,2,3\n", "r.csv:2: 1 cells, expected 2"),
        ("r.csv", 'a,b\n1,"2', "r.csv:2: not CSV"),
        ("r.csv", "a,a\n1,2\n", "duplicate column names: 'a'"),
        ("r.csv", "", "r.csv: no records in this file"),
        ("r.jsonl", "\n \n", "r.jsonl: no records in this file"),
        ("r.json", "[]", "r.json: no records in this file"),
        ("r.json", '{"a": 1}', "expected an array"),
        ("r.json", '[1, {"a": 2}]', "r.json:1: expected an object"),
        ("r.json", "[\n1,\n", "not JSON"),
        ("r.parquet", "not parquet", "not readable as Parquet"),
        ("r.xlsx", "x", "not readable as an Excel workbook: File is not a zip file. Save the sheet as CSV"),
        ("r.xls", "x", "unknown suffix '.xls'. Save the table as .xlsx or CSV. Use one of .jsonl"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, expected):
    assert any(expected in line for line in faults(tmp_path, name, content))


def test_short_and_long_rows_are_reported(tmp_path):
    assert len(faults(tmp_path, "r.csv", "a,b\n1\n1,2,3\n1,2\n")) == 2


@pytest.mark.parametrize("name", ["absent.jsonl", "*.jsonl"])
def test_a_missing_file_is_not_found(tmp_path, name):
    with pytest.raises(NotFoundError):
        list(read_records(manifest(tmp_path, name)))


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        ('{"text": "a"},\n{"text": "b"},\n', "Remove the commas at line ends"),
        ("{'text': 'a'}\n", "write records with json.dumps"),
        ('{\n  "text": "a",\n  "label": 1\n}\n', "name the file .json"),
    ],
)
def test_common_mistakes_in_json_lines_have_a_fix(tmp_path, content, fix):
    assert all(fix in problem for problem in faults(tmp_path, "r.jsonl", content)[:2])


def test_a_line_without_end_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(forms, "LARGEST_LINE", 2**20)
    with gzip.open(tmp_path / "r.jsonl.gz", "wt") as file:
        file.write('{"text": "a"}\n{"text": "' + "b" * 2**21 + '"}\n')
    problems = []
    rows = list(forms.json_lines(tmp_path / "r.jsonl.gz", "utf-8", problems))
    assert [values for _, values in rows] == [{"text": "a"}]
    assert [*map(str, problems)] == [
        "r.jsonl.gz:2: line of more than 1 million characters. Split it, or remove it",
    ]


def test_lines_with_invalid_bytes_are_counted(tmp_path):
    lines = [b'{"text": "a"}', b'{"text": "\xff"}', b'{"text": "b"}', b'{"text": "\xfe"}']
    [problem] = faults(tmp_path, "r.jsonl", b"\n".join(lines))
    assert problem.startswith("r.jsonl:2: not utf-8 (and 1 more line)")


def test_a_duplicate_parquet_column_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"]), pa.array([1])], names=["text", "text", "label"])
    pq.write_table(table, tmp_path / "r.parquet")
    assert faults(tmp_path, "r.parquet", (tmp_path / "r.parquet").read_bytes()) == [
        "r.parquet: duplicate column names: 'text'. Give each column its own name"
    ]


def test_files_of_one_stem_have_distinct_ids(tmp_path):
    (tmp_path / "a.json").write_text('[{"text": "x"}]')
    (tmp_path / "a.jsonl").write_text('{"text": "y"}')
    rows = read_records(manifest(tmp_path, "a.json*"))
    assert [row.fallback_id for row in rows] == ["a.json-1", "a.jsonl-1"]
