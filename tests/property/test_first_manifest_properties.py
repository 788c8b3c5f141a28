"""`automm init` on any table: a manifest that `check` accepts, or the choice that it needs; no column is lost."""

import base64
import contextlib
import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automm.data.manifest import load_manifest
from automm.data.onboarding.init import write_first_manifest
from automm.data.quality.run import check
from automm.data.records.field_values import columns_of
from automm.errors import AutommError, ConfigError

ROWS = 60
WORDS = ("good", "bad", "plain", "late", "cheap", "lovely")
LETTERS = st.characters(exclude_categories=["Cs", "Cc"])


def sentence(number, seed):
    return f"The {WORDS[(number + seed) % 6]} thing number {number} was {WORDS[number * seed % 6]} to use"


def gif(number, seed):
    """A picture of one pixel, whose colour depends on both."""
    head, rest = b"GIF89a\x01\0\x01\0\x80\0\0", b"!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
    return head + bytes([number, seed, 0, 255, 255, 255]) + rest


# What a cell of a kind of column holds, by the number of the record and a seed.
KINDS = {
    "id": lambda n, seed: f"r{seed}-{n}",
    "number": lambda n, seed: n * seed % 97,
    "decimal": lambda n, seed: f"{n * 1.37 + seed:.2f}",
    "price": lambda n, seed: f"${1000 + n * seed:,}.50",
    "classes": lambda n, seed: WORDS[n % (2 + seed % 3)],
    "codes": lambda n, seed: n % (2 + seed % 4),
    "boolean": lambda n, seed: ["true", "false"][n % 2],
    "sentence": sentence,
    "date": lambda n, seed: f"2024-{1 + n % 12:02d}-{1 + n % 28:02d}",
    "url": lambda n, seed: f"https://shop.example/{seed}/{n}",
    "picture": lambda n, seed: f"https://shop.example/{n}.jpg",
    "url or file": lambda n, seed: f"https://shop.example/{n}.jpg" if n % (1 + seed % 3) == 0 else f"{n}.jpg",
    "cells": lambda n, seed: f"data:image/gif;base64,{base64.b64encode(gif(n, seed)).decode()}",
    "repeated": lambda n, seed: f"k{n // (1 + seed % 4)}",
    "list": lambda n, seed: [WORDS[n % 6], WORDS[(n + seed) % 6]],
    "joined": lambda n, seed: "|".join(dict.fromkeys([WORDS[n % 3], WORDS[(n + seed) % 3]])),
    "object": lambda n, seed: {"name": WORDS[n % 3], "code": n % 3},
    "split": lambda n, seed: ["train", "train", "test"][n % 3],
    "empty": lambda n, seed: "",
    "constant": lambda n, seed: seed,
}
NAMES = st.one_of(
    st.sampled_from(
        ["label", "text", "title", "id", "image", "rating", "price", "split", "user_id", "key", "photos", "a.b"]
    ),
    st.text(LETTERS, min_size=1, max_size=8),
)
COLUMNS = st.dictionaries(
    NAMES, st.tuples(st.sampled_from(list(KINDS)), st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=7
)


def records_of(columns):
    """Sixty records; of some columns each fifth or seventh cell is empty."""
    return [
        {
            name: "" if gaps and number % (3 + 2 * gaps) == 1 else KINDS[kind](number, seed)
            for name, (kind, seed, gaps) in columns.items()
        }
        for number in range(ROWS)
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(COLUMNS)
def test_any_table_gives_a_manifest_that_check_accepts_or_a_choice(columns):
    records = records_of(columns)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data" / "r.jsonl"
        file.parent.mkdir()
        file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        if any(kind == "url or file" for kind, *_ in columns.values()):
            for number in range(ROWS):
                (file.parent / f"{number}.jpg").write_bytes(gif(number, 1))
        try:
            path, guess = write_first_manifest(file, must_have_label=True)
        except ConfigError as error:
            asked = str(error)
        else:
            asked = ""
        if asked:
            assert any(option in asked for option in ("--label", "--text", "--images"))
            return
        fields = load_manifest(path).fields
        named = {name for key, names in columns_of(fields, labelled=True).items() for name in names}
        roles = {role.column: role for role in guess.roles}
        assert all(any(name == column or name.startswith(f"{column}.") for name in roles) for column in columns)
        assert named <= roles.keys()
        assert all(role.why for role in roles.values())
        assert {name for name, role in roles.items() if role.role == "left out"}.isdisjoint(named)
        if guess.fetches and not fields.text:
            return  # the next command is automm fetch-images
        report = check(path)
        assert report.ok, [finding for finding in report.findings if finding.severity == "error"]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["csv", "tsv", "jsonl", "json"]))
def test_any_bytes_give_a_manifest_or_a_named_error(raw, suffix):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"r.{suffix}"
        file.write_bytes(raw)
        with contextlib.suppress(AutommError):
            path, _ = write_first_manifest(file)
            assert load_manifest(path).fields is not None
