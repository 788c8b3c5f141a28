"""Why none of the pictures is where its name says."""

import pytest

from automm.data.images.missing_hints import why_lost


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root" / "Photos").mkdir(parents=True)
    (tmp_path / "root" / "Photos" / "IMG_0.JPG").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.JPG").touch()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("photos/img_0.jpg", "The file is 'Photos/IMG_0.JPG'"),
        ("photos\\IMG_0.JPG", "written with backslashes: write 'Photos/IMG_0.JPG'"),
        ("C:\\photos\\IMG_0.JPG", "a Windows path"),
        ("/photos/IMG_0.JPG", "an absolute path"),
        ("nowhere.jpg", ""),
        ("link/Secret.jpg", ""),
        ("../outside/Secret.jpg", ""),
    ],
)
def test_the_cause_is_given_and_nothing_outside_is_read(root, name, cause):
    found = why_lost(name, root)
    assert cause in found
    assert bool(found) == bool(cause)
