"""A folder that cannot be written is reported before any work, with the option or variable that names it."""

import os
import sys

import pytest
from samples import write_reviews

from automm.cli import main
from automm.errors import ConfigError
from automm.paths import check_cache_dir, check_writable


@pytest.fixture
def manifest(tmp_path):
    return write_reviews(tmp_path / "data", 24)


def exit_code(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["automm", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("reason", ["a file", "no permission"])
def test_commands_name_the_option_of_a_folder_that_cannot_be_written(tmp_path, manifest, monkeypatch, capsys, reason):
    closed = tmp_path / "closed"
    if reason == "a file":
        closed.write_text("")
    else:
        closed.mkdir()
        allowed = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != closed and allowed(path, mode))
    records = manifest.parent / "reviews.jsonl"
    for words, option in [
        (["check", manifest, "--to", closed / "page.html"], f"--to {closed / 'page.html'}"),
        (["search", manifest, "--runs-dir", closed / "runs"], f"--runs-dir {closed / 'runs'}"),
        (["init", records, "--to", closed / "m.yaml"], f"--to {closed / 'm.yaml'}"),
        (["import", "mvsa", tmp_path, "--to", closed / "data"], f"--to {closed / 'data'}"),
    ]:
        code, printed = exit_code(monkeypatch, capsys, *words)
        assert code == 2, printed
        assert printed.startswith(f"error: {option}: "), printed
        assert "Errno" not in printed
        assert "Name another" in printed
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(closed / "cache"))
    code, printed = exit_code(monkeypatch, capsys, "search", manifest, "--runs-dir", tmp_path / "runs")
    assert code == 2
    assert printed.startswith("error: AUTOMM_CACHE_DIR: "), printed


def test_nothing_is_created(tmp_path, monkeypatch):
    check_writable(tmp_path / "a" / "b", "--to a/b", "")
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    check_cache_dir()
    assert not list(tmp_path.iterdir())


def test_a_cache_folder_without_a_variable_is_named_in_words(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("AUTOMM_CACHE_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *args, **kwargs: str(tmp_path / "file" / "automm"))
    with pytest.raises(ConfigError, match=r"the cache folder: .* Set AUTOMM_CACHE_DIR to a folder"):
        check_cache_dir()
