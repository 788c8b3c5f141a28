"""The search space in the docs equals the table. (These tests need Keras, because choices are layers.)"""

import re
from pathlib import Path

from markdown_it import MarkdownIt

from automm.config.strict_yaml import parse_yaml
from automm.search.space.table import TABLE
from automm.search.space.validation import narrow

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "search.md").read_text(encoding="utf-8")


def test_every_hyperparameter_has_a_row():
    assert {name.replace(".", "/") for name in re.findall(r"^\| `(\w+\.\w+)` \|", PAGE, re.M)} == set(TABLE)


def test_every_named_choice_and_choice_on_request_is_in_its_row():
    for name, row in TABLE.items():
        (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name.replace('/', '.')}` |")]
        words = [value for value in (*row.choices, *row.on_request) if isinstance(value, str)]
        assert [word for word in words if not re.search(rf"\b{word}\b", line)] == []


def test_every_space_in_the_docs_is_legal():
    fences = [token for page in DOCS.glob("*.md") for token in MarkdownIt().parse(page.read_text("utf-8"))]
    contents = [parse_yaml(token.content)[0] for token in fences if token.type == "fence" and token.info == "yaml"]
    spaces = [content["space"] for content in contents if "space" in content]
    assert spaces
    for space in spaces:
        narrow(space)
