"""Native layouts in a search and in a bundle."""

import pytest
from layouts import manifest_of

from automm.config.experiment import load_experiment
from automm.data.manifest import parse_manifest
from automm.data.onboarding.import_layout import import_data
from automm.data.records.reviews import load_dataset
from automm.deliver.input_reviews import open_reviews
from automm.errors import ConfigError
from automm.search.setup.data import load
from automm.search.setup.describe import image_root, record_settings


@pytest.mark.parametrize("name", ["mvsa", "mm-imdb", "markdown-tree"])
def test_a_bundle_of_a_native_layout_reads_records_of_its_columns(tmp_path, name):
    trained = manifest_of(tmp_path, name)
    about = {"reading": record_settings(trained), "image_root": image_root(trained)}
    imported = import_data(name, tmp_path / "data", tmp_path / "new", options=trained.options)
    records = (imported.manifest.parent / "reviews.jsonl").rename(tmp_path / "data" / "reviews.jsonl")
    found = list(open_reviews(about, records, None))
    expected = load_dataset(trained, labelled=False).reviews
    assert [(one.text, one.images) for one in found] == [(one.text, one.images) for one in expected]


def test_a_bundle_does_not_contain_a_custom_reader(tmp_path):
    content = {"name": "x", "format": "my_module:read", "path": "p", "options": {"a": 1}, "fields": {"text": "t"}}
    read = record_settings(parse_manifest(content, tmp_path / "manifest.yaml", allow_code=True))
    assert not read.keys() & {"format", "path", "options"}
    assert "my_module" not in repr(read)


def test_a_search_rejects_several_labels(tmp_path):
    manifest_of(tmp_path, "mm-imdb")
    (tmp_path / "manifest.yaml").write_text("name: films\nformat: mm-imdb\npath: data\n")
    with pytest.raises(ConfigError, match=r"several labels.*label: \{column: \.\.\., pick: first\}") as caught:
        load(load_experiment(tmp_path / "manifest.yaml"))
    assert caught.value.exit_code == 2
