import pytest

from automm.data.catalogue import find_dataset, known_datasets
from automm.data.layouts import LAYOUTS
from automm.data.manifest import parse_manifest
from automm.errors import ConfigError, NotFoundError


def test_every_native_layout_has_a_data_set():
    known = known_datasets()
    general = {"imagefolder", "markdown-tree"}
    assert set(LAYOUTS) - general <= {one.manifest.format for one in known}
    assert len({one.name for one in known}) == len(known)


def test_the_facts_of_one_data_set():
    known = find_dataset("hateful-memes").to_dict()
    assert known["manifest"].endswith("hateful_memes.yaml")
    assert known["published"][0].keys() == {"method", "metric", "value", "source"}


def test_an_unknown_data_set_lists_the_known_ones():
    with pytest.raises(NotFoundError, match=r"Did you mean 'mm-imdb'\? Known data sets: "):
        find_dataset("mmimdb")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"homepag": "x"}, "unknown key 'source.homepag'. Did you mean 'homepage'"),
        ({"published": [{"method": "x", "metric": "y", "value": 1}]}, "source.published.0.source"),
        ({"published": [{"method": "x", "metric": "y", "value": 1, "source": "z", "year": 1}]}, "unknown key"),
    ],
)
def test_invalid_sources_are_refused(tmp_path, source, expected):
    content = {"name": "x", "records": "r.csv", "fields": {"text": "t"}, "source": source}
    with pytest.raises(ConfigError, match=expected):
        parse_manifest(content, tmp_path / "manifest.yaml")
