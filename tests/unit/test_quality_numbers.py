"""What `automm check` says of a number that is to be predicted."""

import io
import json

import numpy as np
import pytest
import yaml
from rich.console import Console
from scipy.stats import ks_2samp
from typer.testing import CliRunner

from automm.cli import app
from automm.data.manifest import load_manifest
from automm.data.quality.checks.numbers import chance_of, distance
from automm.data.quality.html import page
from automm.data.quality.run import check
from automm.data.quality.terminal import render
from automm.data.records.reviews import load_dataset
from automm.errors import DataError


@pytest.fixture
def make(tmp_path):
    """Writes reviews with these prices and returns their manifest."""

    def write(prices, **more):
        parts = ["train", "validation", "test"]
        rows = [
            {"id": n, "text": f"A fine thing number {n}", "price": price, "part": parts[n % 3]}
            for n, price in enumerate(prices)
        ]
        (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
        fields = {"id": "id", "text": "text", "label": "price"}
        content = {"name": "x", "records": "r.jsonl", "task": "regression", "fields": fields, **more}
        (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(content))
        return tmp_path / "manifest.yaml"

    return write


PRICES = [float(n % 40) + 0.5 for n in range(120)]
BY_COLUMN = {"splits": {"column": "part"}}


def found(report):
    return {finding.key: finding for finding in report.findings}


def shown(report):
    console = Console(file=io.StringIO(), width=200)
    render(report, console)
    return console.file.getvalue()


def test_quantiles_of_each_split_everywhere(make):
    report = check(make(PRICES))
    assert report.findings == ()
    assert report.labels == {}
    assert list(report.numbers) == ["train", "validation", "test"]
    assert sum(row["reviews"] for row in report.numbers.values()) == 120
    assert report.numbers["train"]["min"] == 0.5
    assert report.numbers["train"]["max"] == 39.5
    train = report.numbers["train"]
    assert train["min"] <= train["25%"] <= train["50%"] <= train["75%"] <= train["max"]
    assert json.loads(json.dumps(report.to_dict()))["numbers"] == report.numbers
    for text in (shown(report), page(report)):
        assert "to predict" in text
        assert "39.5" in text
        assert "label" not in text.lower()


def test_outliers_are_reported_the_farthest_first(make):
    finding = found(check(make([*PRICES, 9999, -5000])))["far_numbers"]
    assert (finding.severity, finding.count) == ("warning", 2)
    assert [one.line for one in finding.examples] == ["r.jsonl:121 (id 120): 9999", "r.jsonl:122 (id 121): -5000"]
    assert "far_numbers" not in found(check(make(np.random.default_rng(0).lognormal(3, 0.5, 300).round(2).tolist())))


def test_one_value_in_nearly_all_reviews_or_in_a_whole_split(make):
    finding = found(check(make([5.0] * 115 + [1.0, 2.0, 3.0, 4.0, 6.0])))["one_number"]
    assert finding.severity == "warning"
    assert finding.examples[0].detail == "5 in 96% of all reviews"
    report = check(make([7.0 if n % 3 == 2 else price for n, price in enumerate(PRICES)], **BY_COLUMN))
    assert [one.detail for one in found(report)["one_number"].examples] == ["7 in 100% of test"]
    with pytest.raises(DataError, match="nothing to learn"):
        check(make([5.0] * 30))


def test_different_values_in_another_split(make):
    finding = found(check(make([price + 30 * (n % 3 == 2) for n, price in enumerate(PRICES)], **BY_COLUMN)))
    shift = finding["number_shift"]
    assert (shift.severity, shift.count) == ("warning", 1)
    assert shift.examples[0].detail.startswith("test: median ")
    assert "splits.column" in shift.fix
    assert "number_shift" not in found(check(make(PRICES, **BY_COLUMN)))


def test_the_distance_equals_scipy():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.2, 1.0):
        ours, theirs = rng.normal(0, 1, 300).round(1), rng.normal(shift, 1, 200).round(1)
        effect = distance(ours, theirs)
        expected = ks_2samp(ours, theirs, method="asymp")
        assert effect == pytest.approx(expected.statistic)
        assert chance_of(effect, ours, theirs) == pytest.approx(expected.pvalue, abs=0.02)


def test_missing_numbers_do_not_hide_other_findings(make):
    manifest = make([None if n % 10 == 0 else price for n, price in enumerate(PRICES)])
    report = check(manifest)
    finding = found(report)["missing_numbers"]
    assert (finding.severity, finding.count, report.ok) == ("error", 12, False)
    assert "r.jsonl:1: no number in column 'price'" in finding.examples[0].line
    assert report.reviews == 108
    said = shown(report)
    for key in ("labels: {on_missing: drop}", "labels.on_missing: drop"):  # the key of the manifest
        said = said.replace(key, "")
    assert "label" not in said.lower()
    dropped = check(make([None, *PRICES], labels={"on_missing": "drop"}))
    assert dropped.changes == {"no_number": 1}
    assert "missing_numbers" not in found(dropped)


@pytest.mark.parametrize("odd", ["1,024", float("inf"), True, "about 5"])
def test_values_that_are_not_finite_are_reported_with_their_record(make, odd):
    with pytest.raises(DataError, match=r"r\.jsonl:3: column 'price' holds") as caught:
        load_dataset(load_manifest(make([*PRICES[:2], odd, *PRICES[2:]])))
    assert "categorical" not in str(caught.value)


def test_the_same_text_with_two_numbers(make, tmp_path):
    manifest = make(PRICES)
    records = tmp_path / "r.jsonl"
    records.write_text(records.read_text().replace('A fine thing number 7"', 'A fine thing number 8"'))
    finding = found(check(manifest))["text_contradictions"]
    assert "different numbers" in finding.what
    assert "label" not in finding.fix


def test_the_command(make):
    answer = CliRunner().invoke(app, ["check", str(make([*PRICES, 99999])), "--format", "json"])
    report = json.loads(answer.stdout)
    assert sum(row["reviews"] for row in report["numbers"].values()) == 121
    assert [finding["key"] for finding in report["findings"]] == ["far_numbers"]
