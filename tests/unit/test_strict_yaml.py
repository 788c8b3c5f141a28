"""Reading and writing YAML: texts stay texts, and unsupported YAML is an error."""

import ast
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import automm
from automm.config.strict_yaml import NotYamlError, parse_yaml, read_setting, read_yaml, write_yaml
from automm.errors import ConfigError, NotFoundError, yaml_word

# Texts that some reader of YAML takes for something else.
WORDS = [
    *["1e-3", "1.5e3", "1.5e+3", "1E5", "010", "0o17", "0x1F", "0b11", "1_000", "+1", "-1", "0", "1.", ".5", "-.5"],
    *["no", "No", "NO", "yes", "on", "off", "y", "n", "true", "True", "TRUE", "false", "null", "Null", "~", ""],
    *["2024-01-01", "2024-01-01T10:00:00Z", "12:30", "1:2:3.5", ".inf", "-.Inf", ".nan", "=", "<<", "!", "&a", "*a"],
    *["- a", "a: b", "a #b", "#a", "? a", "|", ">", "%a", "@a", "`a", "'a'", '"a"', "{a}", "[a]", ",", "---", "..."],
    *[" a", "a ", "a\n", "\na", "a\n\nb", "\t", "a\tb", "\r\n", "a\n b\n  c\n", "a" * 300, "a b " * 60, "\\"],
    *["a\x85b", "a\u2028b", "\ufeff", "\x7f", "\x00", "\U0001f600", "\x1b[31m"],
]
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(WORDS)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=12)


@given(st.dictionaries(texts, values))
def test_what_is_written_is_read_back_equal(content):
    read, _ = parse_yaml(write_yaml(content))
    assert read == content
    assert repr(read) == repr(content)  # 1, 1.0 and True are equal, too


@pytest.mark.parametrize("word", WORDS)
def test_a_word_stays_a_word(word):
    content = {"a": word, word: [word, {"b": word}]}
    assert parse_yaml(write_yaml(content))[0] == content


@pytest.mark.parametrize("word", WORDS)
def test_yaml_1_1_readers_also_read_a_text(word):
    """Other programs and earlier versions of automm read YAML 1.1."""
    assert yaml.safe_load(write_yaml({"a": word})) == {"a": word}


@given(texts)
def test_a_column_name_in_a_suggested_fix_is_valid_yaml(name):
    assert parse_yaml(f"fields: {{group: {yaml_word(name)}, label: x}}")[0] == {"fields": {"group": name, "label": "x"}}


def test_one_list_in_two_places_is_written_twice():
    both = ["a", "b"]
    assert parse_yaml(write_yaml({"one": both, "two": both}))[0] == {"one": both, "two": both}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[(word, word) for word in ("1e-3", "no", "on", "010", "0x1F", "1_000", "12:30", "2024-01-01", "=", "<<")],
        *[("12", 12), ("-3", -3), ("0.5", 0.5), (".5", 0.5), ("1.5e3", 1500.0), ("-.inf", float("-inf"))],
        *[("true", True), ("False", False), ("null", None), ("~", None), ("", None), ('"5"', "5")],
        *[("[1, a]", [1, "a"]), ("{1: 2}", {"1": 2}), (r'"\ud83d\ude00"', "\U0001f600")],
    ],
)
def test_values(written, read):
    assert read_setting("--set", f"a={written}", "a=1") == ("a", read)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a: 1\nb: 2\na: 3", (3, "duplicate key 'a' (first in line 1)")),
        ("a:\n  b: {c: 1, c: 2}", (2, "duplicate key 'a.b.c'")),
        ("- x\n- {1: a, 1: b}", (2, "duplicate key '1.1'")),
        ("a: &x 1\nb: *x", (2, "aliases (*name) are not supported")),
        ("a: !!str 1", (1, "the tag tag:yaml.org,2002:str is not supported")),
        ('a: "\\ud83d"', (1, "half of a surrogate pair is not a character")),
        ("a: [1", (1, "not YAML")),
        ("a: " + "9" * 5000, (1, "a number has too many digits")),
        ("[" * 2000, (1, "nested deeper than any key needs")),
        ("a: \x00", (1, "not YAML")),
        ("{[a]: b}", (1, "not YAML")),
    ],
)
def test_unsupported_yaml_is_reported_with_its_line(written, expected):
    with pytest.raises(NotYamlError) as caught:
        parse_yaml(written)
    (line, fault), *_ = caught.value.faults
    assert line == expected[0] or "[1" in written
    assert expected[1] in fault


def test_every_duplicate_key_is_named(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("a: 1\na: 2\nb: 3\nb: 4\n")
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    assert [problem.split(" ")[0] for problem in caught.value.lines] == ["x.yaml:2:", "x.yaml:4:"]


@pytest.mark.parametrize("name", ["absent.yaml", "x" * 300, "a\0b", "."])
def test_no_such_file(tmp_path, name):
    with pytest.raises(NotFoundError):
        read_yaml(tmp_path / name)


def test_yaml_is_read_and_written_in_one_place():
    sources = Path(automm.__file__).parent
    users = {
        path.relative_to(sources).as_posix()
        for path in sources.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "yaml" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "yaml")
    }
    assert users == {"config/strict_yaml.py"}
