"""Problems and changes are values: code asks for their codes, and people read their texts."""

import pytest

from automm.data.change_kinds import Change, change_lines
from automm.errors import SHOWN_PROBLEMS, ConfigError, DataError, Problem, kinds_of


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("cell", "r.jsonl:3", "no label", "Give it one"), "r.jsonl:3: no label. Give it one"),
        (Problem("cell", "", "no label", "Give it one"), "no label. Give it one"),
        (Problem("cell", "r.jsonl:3", "no label"), "r.jsonl:3: no label"),
    ],
)
def test_a_problem_is_one_line(problem, line):
    assert str(problem) == line


def test_an_error_keeps_every_problem_and_shows_examples_of_every_kind():
    many = [Problem("cell", f"r.jsonl:{number}", f"value {number}", "Correct it") for number in range(1000)]
    rare = [Problem("repeated_id", "r.jsonl:1001", "id '7' is already used"), Problem("empty", "", "no text")]
    error = DataError([*many, *rare])
    assert error.problems == [*many, *rare]
    assert error.lines == [*map(str, many), *map(str, rare)]
    assert str(error).splitlines() == [
        *map(str, many[:3]),
        *map(str, rare),
        "1,002 problems: cell 1,000, repeated_id 1, empty 1",
    ]
    assert DataError("nothing there").lines == ["nothing there"]
    assert str(DataError(many[:3])).splitlines() == [*map(str, many[:3])]


def test_the_same_sentence_is_printed_once():
    same = [Problem("missing_label", f"r.csv:{number}", "no label", "Add one") for number in range(2, 26)]
    assert str(DataError(same)) == "r.csv:2, r.csv:3, r.csv:4 and 21 more: no label. Add one"
    assert str(DataError(same[:2])) == "r.csv:2, r.csv:3: no label. Add one"
    other = Problem("missing_label", "r.csv:40", "no number", "Add one")
    assert str(DataError([*same, other])).splitlines()[1:] == [str(other), "25 problems: missing_label 25"]
    assert kinds_of([*same, other]) == [
        {
            "code": "missing_label",
            "count": 25,
            "examples": ["r.csv:2, r.csv:3, r.csv:4 and 21 more: no label. Add one", str(other)],
        }
    ]


def test_every_problem_of_a_file_that_the_user_wrote_is_shown():
    many = [Problem("manifest", f"m.yaml:{number}", f"unknown key {number}") for number in range(SHOWN_PROBLEMS + 5)]
    shown = str(ConfigError(many)).splitlines()
    assert shown == [*map(str, many[:SHOWN_PROBLEMS]), "25 problems: manifest 25"]


def test_every_change_has_a_key_and_a_text_of_its_own():
    assert len({change.text for change in Change}) == len({*Change}) == len(list(Change))
    assert all(change.value.isidentifier() and change.islower() for change in Change)


def test_changes_are_counted_in_words():
    assert change_lines({Change.NO_LABEL: 1200, Change.EMPTY_TEXT: 3}) == [
        "dropped: empty text: 3",
        "ignored: no label: 1,200",
    ]
