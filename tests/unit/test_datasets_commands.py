"""The commands import, datasets and init, as they are typed."""

import json
import re

import pytest
from layouts import manifest_of
from typer.testing import CliRunner

from automm.cli import app
from automm.errors import ConfigError, NotFoundError


def run(*arguments):
    return CliRunner().invoke(app, [str(word) for word in arguments], catch_exceptions=False)


def test_import_prints_the_manifest_and_says_what_was_left_out(tmp_path):
    manifest_of(tmp_path, "twitter-15-17")
    done = run("import", "auto", tmp_path / "data", "--to", tmp_path / "out", "--option", "year=2015")
    assert done.stdout.strip() == str(tmp_path / "out" / "manifest.yaml")
    assert "18 records\n" in done.stderr
    assert f"next: automm check {tmp_path / 'out' / 'manifest.yaml'}" in done.stderr


def test_the_format_may_be_left_out(tmp_path):
    manifest_of(tmp_path, "multi-zol")
    assert "12 records\n" in run("import", tmp_path / "data", "--to", tmp_path / "out").stderr
    with pytest.raises(NotFoundError, match=r"no known format\. Known ones, and what each looks for:\n  records"):
        run("import", tmp_path / "out" / "manifest.yaml", "--to", tmp_path / "again")
    with pytest.raises(ConfigError, match="automm import mvsa SRC --to"):
        run("import", "mvsa", "--to", tmp_path / "again")


def test_fields_and_lists_are_yaml(tmp_path):
    manifest_of(tmp_path, "markdown-tree")
    options = ("--option", "exclude=[soup/*]", "--field", "label={column: tags, pick: first}")
    done = run("import", "markdown-tree", tmp_path / "data", "--to", tmp_path / "out", *options)
    assert "3 records\n" in done.stderr
    assert "pick: first" in (tmp_path / "out" / "manifest.yaml").read_text()


@pytest.mark.parametrize("pair", ["year", "=2015", "year=[", "year={a: 1, a: 2}", "year=*x"])
def test_options_that_are_not_key_value_pairs(tmp_path, pair):
    with pytest.raises(ConfigError, match="--option"):
        run("import", "mvsa", tmp_path, "--to", tmp_path / "out", "--option", pair)


def test_an_option_stays_as_it_is_written(tmp_path):
    with pytest.raises(ConfigError, match=r"options\.size: .* \(given: 'no'\)"):
        run("import", "amazon-reviews-2023", tmp_path, "--to", tmp_path / "out", "--option", "size=no")


def test_datasets_as_a_table_as_json_and_one_of_them():
    assert "research use only, no redistribution" in run("datasets").stdout
    rows = json.loads(run("datasets", "--format", "json").stdout)
    one = json.loads(run("datasets", "mvsa-single", "--format", "json").stdout)
    assert one in rows
    assert one["published"][2] == {
        "method": "CLMLF",
        "metric": "accuracy",
        "value": 0.753,
        "source": "Findings of NAACL 2022; another split",
    }
    shown = run("datasets", "mvsa-single").stdout
    assert "licence:" in shown
    assert "CLMLF" in shown


def test_init_says_what_it_guessed(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("text,label\n" + "".join(f"some words {n},{'ab'[n % 2]}\n" for n in range(20)))
    done = run("init", file)
    assert done.stdout.strip() == str(tmp_path / "manifest.yaml")
    assert re.search(
        r"label +label +a usual name for labels, the last column, 2 different values: a \(10\), b", done.stderr
    )
