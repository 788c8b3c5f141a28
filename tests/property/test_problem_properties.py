"""Whatever the problems are, the message names every kind with its count, and stays short."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from automm.errors import SHOWN_EXAMPLES, DataError, Problem, kinds_of

WORDS = st.sampled_from(["", "one", "two", "three", "four", "five"])
PROBLEMS = st.builds(Problem, st.sampled_from(["cell", "missing_label", "repeated_id", "gone"]), WORDS, WORDS, WORDS)


@given(st.lists(PROBLEMS, min_size=1, max_size=60))
def test_one_kind_never_hides_another(problems):
    counts = Counter(problem.code for problem in problems)
    assert {kind["code"]: kind["count"] for kind in kinds_of(problems)} == counts
    error = DataError(problems)
    assert len(error.lines) == len(problems)
    sentences = {(problem.code, problem.text, problem.fix) for problem in problems}
    of_kinds = Counter(code for code, _, _ in sentences)
    shown = sum(min(SHOWN_EXAMPLES, count) for count in of_kinds.values())
    lines = str(error).split("\n")
    if 1 < shown < len(problems):
        counted = ", ".join(f"{code} {count}" for code, count in counts.items())
        assert lines[-1] == f"{len(problems)} problems: {counted}"
    assert len(lines) == shown + (1 < shown < len(problems))
