"""Problems and changes are values: code asks for their codes, and people read their texts."""

import pytest

from automm.data.change_kinds import Change, change_lines
from automm.errors import SHOWN_PROBLEMS, DataError, Problem


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


def test_an_error_keeps_every_problem_and_shows_the_first():
    many = [Problem("cell", f"r.jsonl:{number}", "no label") for number in range(SHOWN_PROBLEMS + 5)]
    error = DataError(many)
    assert error.problems == many
    assert str(error).splitlines() == [*map(str, many[:SHOWN_PROBLEMS]), "... and 5 more problems"]
    assert error.lines == [*map(str, many)]
    assert DataError("nothing there").lines == ["nothing there"]


def test_every_change_has_a_key_and_a_text_of_its_own():
    assert len({change.text for change in Change}) == len({*Change}) == len(list(Change))
    assert all(change.value.isidentifier() and change.islower() for change in Change)


def test_changes_are_counted_in_words():
    assert change_lines({Change.NO_LABEL: 1200, Change.EMPTY_TEXT: 3}) == [
        "dropped: empty text: 3",
        "ignored: no label: 1,200",
    ]
