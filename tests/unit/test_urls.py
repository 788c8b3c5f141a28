import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automm.data.download.urls import is_url, local_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http://a/b.jpg", True),
        ("HTTPS://a/b.jpg", True),
        ("ftp://a/b.jpg", False),
        ("https___a_b.jpg", False),
        ("images/https://a.jpg", False),
    ],
)
def test_urls_are_recognised(name, expected):
    assert is_url(name) == expected


@pytest.mark.parametrize(
    ("url", "suffix"),
    [
        ("https://a.example/b.JPG", ".jpg"),
        ("https://a.example/b.png?size=.exe", ".png"),
        ("https://a.example/b.php?name=c.png", ""),
        ("https://a.example/b.webp#c", ".webp"),
        ("https://a.example/p/AAA=w150-h150-k-no-p", ""),
        ("https://[", ""),
    ],
)
def test_a_url_keeps_a_picture_suffix(url, suffix):
    assert re.fullmatch(r"fetched/[0-9a-f]{64}" + re.escape(suffix), local_name(url))


def test_the_name_never_changes():
    assert local_name("https://a.example/b.jpg") == (
        "fetched/7a084d3a03434d29fc3c0fa39b9fdf45ed04883c71ed04bf4c1e9b24da9a476c.jpg"
    )


@given(st.text(), st.text())
def test_any_two_urls_have_distinct_safe_names(one, two):
    names = [local_name("https://" + rest) for rest in (one, two)]
    assert all(re.fullmatch(r"fetched/[0-9a-f]{64}(\.[a-z]{3,4})?", name) for name in names)
    assert (names[0] == names[1]) == (one == two)
