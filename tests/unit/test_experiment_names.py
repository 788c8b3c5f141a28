"""Names of experiments: they keep every script, and two data sets never share one."""

# ruff: noqa: RUF001 - letters of other scripts are the subject

import json

import pytest

from automm.config.experiment import load_experiment
from automm.errors import ConfigError
from automm.tracking.experiments import check_experiment
from automm.tracking.run_folder import Run


def name_of(folder, name):
    path = folder / "m.yaml"
    path.write_text(json.dumps({"name": name, "records": "r.csv", "fields": {"text": "t"}}), encoding="utf-8")
    return load_experiment(path).name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("phone reviews", "phone-reviews"),
        ("отзывы о телефонах", "отзывы-о-телефонах"),
        ("手机评论", "手机评论"),
        ("हिन्दी समीक्षा", "हिन्दी-समीक्षा"),
        ("نقد‌ها", "نقد‌ها"),
        ("cafe\u0301", "café"),
        ("../a:b", "a-b"),
        ("a\nb\x1b", "a-b"),
        ("...", "experiment"),
    ],
)
def test_a_data_set_keeps_its_name_in_any_script(tmp_path, name, expected):
    assert name_of(tmp_path, name) == expected


def test_a_long_name_is_a_legal_folder(tmp_path):
    name = name_of(tmp_path, "字" * 180)
    assert len(name) <= 80
    (tmp_path / name).mkdir()


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "a/b", "x" * 81, "字" * 80])
def test_an_illegal_name_is_answered_with_a_legal_one(tmp_path, name):
    (tmp_path / "m.yaml").write_text("{}")
    with pytest.raises(ConfigError, match="letters and digits of any script"):
        load_experiment(tmp_path / "m.yaml", [f"name={json.dumps(name, ensure_ascii=False)}"])


@pytest.mark.parametrize("name", ["a-", "a.", "a.b_c-d", "телефоны"])
def test_legal_names(tmp_path, name):
    (tmp_path / "m.yaml").write_text("{}")
    assert load_experiment(tmp_path / "m.yaml", [f"name={name}"]).name == name


def test_two_data_sets_never_share_an_experiment(tmp_path):
    first, second = tmp_path / "a" / "m.yaml", tmp_path / "b" / "m.yaml"
    check_experiment(tmp_path / "runs", "x", first, "1")
    run = Run(tmp_path / "runs" / "x" / "20260101-000000-abcdef")
    run.folder.mkdir(parents=True)
    (run.folder / "config.yaml").write_text("")
    check_experiment(tmp_path / "runs", "x", second, "2")  # it ended before its data was known
    run.write("manifest.json", {"manifest": str(first), "fingerprint": "1"})
    with pytest.raises(ConfigError, match=r"has runs of another data set, .*a/m.yaml. Name a new experiment: --set"):
        check_experiment(tmp_path / "runs", "x", second, "2")
    check_experiment(tmp_path / "runs", "x", first, "2")  # the data has changed
    check_experiment(tmp_path / "runs", "x", second, "1")  # the data has moved
    check_experiment(tmp_path / "runs", "y", second, "2")
