"""Any damage to a native layout gives reviews or an error of automm."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import pytest
from hostile import in_time, watched
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import WRITERS, manifest_of
from markdown_it import MarkdownIt
from markdown_it.token import Token

from automm.data.layouts import find_layout, recognise
from automm.data.layouts.markdown_links import take_pictures
from automm.data.manifest import load_manifest, parse_manifest
from automm.data.onboarding.init import write_first_manifest
from automm.data.records.reviews import load_dataset
from automm.errors import AutommError

damage = st.sampled_from(["flip", "cut", "insert", "empty", "remove", "folder", "pipe"])
harms = st.lists(st.tuples(damage, st.integers(0), st.binary(max_size=4)), min_size=1, max_size=3)


def harm(file: Path, kind: str, place: int, raw: bytes) -> None:
    content = bytearray(file.read_bytes()) if file.is_file() else bytearray()
    at = place % (len(content) or 1)
    if kind == "flip" and content:
        content[at] ^= 1 << (place % 8)
    elif kind == "cut":
        del content[at:]
    elif kind == "insert":
        content[at:at] = raw
    elif kind == "empty":
        content.clear()
    file.unlink(missing_ok=True)
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind != "remove":
        file.write_bytes(content)


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=8, deadline=None)
@given(data=st.data(), harms=harms)
def test_any_damage_to_a_layout_gives_reviews_or_an_automm_error(name, data, harms):
    with tempfile.TemporaryDirectory() as folder:
        manifest = manifest_of(Path(folder), name)
        there = sorted((Path(folder) / "data").rglob("*"))
        files = [file for file in there if file.is_file() and file.stat().st_size > 20]
        for kind, place, raw in harms:
            file = data.draw(st.sampled_from(files))
            if file.is_file() or not file.exists():
                harm(file, kind, place, raw)
        with watched(Path(folder)), in_time():
            recognise(Path(folder) / "data")
            with contextlib.suppress(AutommError):
                assert load_dataset(manifest).reviews


marks = st.sampled_from(
    ["![", "](", ")", "(", "<", ">", '"', " ", "a.jpg", "%20", "<img src=", "/>", "\n", "x", "https://b/c"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(marks, max_size=30).map("".join))
def test_pictures_removed_from_markdown_were_in_it(text):
    rest, links = take_pictures(text)
    assert len(rest) <= len(text)
    assert (len(rest) < len(text)) or not links
    assert take_pictures("![a](b.jpg)" + text)[1][:1] == ["b.jpg"]


PICTURES = ("![a](1.jpg)", "![b](<2.jpg> 't')", "![c](3.jpg", "![r]", "![d][r]", "![r][]", "![", "](4.jpg)", "![e][s]")
DEFINITIONS = ("[r]: 5.jpg", "[s]: 6.jpg 't'", "[r]:", "[![f](7.jpg)](g)", "[", "]")
HIDING = ("```", "~~~", "````", "`", "``", "<!--", "-->", "\\", "<div>", "</div>", '<img src="8.jpg">', "<b>", "<a b='")
LAYING = (
    "\n",
    "\n\n",
    "\n",
    "\n> ",
    "\n- ",
    "\n  ",
    "\n    ",
    "\n1. ",
    "\n# ",
    "\n---\n",
    " ",
    "  ",
    "\t",
    "x",
    "*",
    ">",
)
pieces = st.lists(st.one_of(*map(st.sampled_from, (PICTURES, DEFINITIONS, HIDING, LAYING, LAYING))), max_size=25)


def rendered(tokens: Sequence[Token]) -> Iterator[str]:
    """The links of the pictures that markdown-it-py's renderer shows."""
    for token in tokens:
        if token.type == "image":
            yield unquote(str(token.attrs["src"]))
        elif token.type in ("html_block", "html_inline"):
            yield from re.findall('<img src="(.*?)">', re.sub(r"<!--.*?(-->|\Z)", "", token.content, flags=re.DOTALL))
        elif token.children:
            yield from rendered(token.children)


@settings(max_examples=400, deadline=None)
@given(pieces.map("".join))
def test_the_pictures_in_markdown_are_those_that_a_renderer_shows(text):
    assert take_pictures(text)[1] == list(rendered(MarkdownIt("commonmark").parse(text)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["![a](@)", "![a](@ 't')", *HIDING, *LAYING]), max_size=20).map("".join))
def test_a_link_with_spaces_is_read_as_if_in_angle_brackets(text):
    shown = rendered(MarkdownIt("commonmark").parse(text.replace("@", "<9 9.jpg>")))
    assert take_pictures(text.replace("@", "9 9.jpg"))[1] == list(shown)


plain = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.sampled_from(["(", "label", 2015]))
values = st.one_of(plain, st.lists(plain, max_size=3), st.dictionaries(st.text(max_size=4), plain, max_size=2))
option_names = sorted({key for name in WRITERS for key in find_layout(name).options.model_fields} | {"unknown"})


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*WRITERS, "records", "my_module:read", "nothing"]),
    st.one_of(plain, st.dictionaries(st.sampled_from(option_names), values, max_size=3)),
    st.one_of(plain, st.dictionaries(st.sampled_from(["id", "text", "images", "label", "more"]), values, max_size=3)),
)
def test_any_options_and_fields_give_a_manifest_or_an_automm_error(name, options, fields):
    content = {"name": "x", "format": name, "path": "p", "options": options, "fields": fields}
    with contextlib.suppress(AutommError):
        manifest = parse_manifest(content, Path("/x/manifest.yaml"))
        assert parse_manifest(manifest.model_dump(mode="json"), manifest.file) == manifest


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["a.png", "https://x/a.png, https://x/b.png", "train", "dev", "two words here", "no\rpicture"]),
    st.lists(st.sampled_from(["a.png", "b", "https://x/c"]), max_size=2),
)
names = st.sampled_from(["id", "text", "image", "label", "split", "user_id", "#", "a: b", "tags"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(names, cells, max_size=6), min_size=1, max_size=8))
def test_any_records_give_a_first_manifest_or_an_automm_error(records):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "r.jsonl"
        file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        with contextlib.suppress(AutommError):
            manifest, guess = write_first_manifest(file)
            assert load_manifest(manifest).fields is not None
            assert "fields.text" in guess.reasons or "fields.images" in guess.reasons
