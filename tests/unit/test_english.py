"""Words that the package and its pages do not use, because the field has plainer ones (issue 14)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    *sorted((ROOT / "automm").rglob("*.py")),
    *sorted((ROOT / "automm").rglob("*.html")),
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "experiments" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
# Fix, what to do; split apart, spread over; drop, change. Underscores separate words: _torn, mend_of.
AVOIDED = re.compile(
    r"(?<![a-z])(mend(s|ed|ing|er)?|torn|tears?|tore|tearing|treat(s|ed|ing|ment|ments)?)(?![a-z])", re.I
)
EXCEPTIONS: dict[tuple[str, str], str] = {}  # (file, word): why it is used there


def words_of(path: Path) -> list[tuple[int, str]]:
    """Each avoided word in a file, with its line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(number, match[0]) for number, line in enumerate(lines, 1) for match in AVOIDED.finditer(line)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_uses_plain_words(path):
    name = str(path.relative_to(ROOT))
    assert [f"{name}:{line}: {word}" for line, word in words_of(path) if (name, word.lower()) not in EXCEPTIONS] == []


def test_every_exception_is_used():
    used = {(str(path.relative_to(ROOT)), word.lower()) for path in FILES for _, word in words_of(path)}
    assert EXCEPTIONS.keys() <= used
    assert all(EXCEPTIONS.values())


@pytest.mark.parametrize("text", ["mends", "Torn", "a tear", "treatment", "_treated", "mend_of", "no_tears"])
def test_an_avoided_word_is_found(tmp_path, text):
    file = tmp_path / "page.md"
    file.write_text(text)
    assert words_of(file)


@pytest.mark.parametrize("text", ["recommend", "amended", "commend", "retreat", "stormtroopers", "Tearoom"])
def test_a_word_that_contains_one_is_not(tmp_path, text):
    file = tmp_path / "page.md"
    file.write_text(text)
    assert not words_of(file)
