"""The folder of a test is its marker; every test gets a cache of its own, away from the user's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from automm.paths import cache_dir

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
settings.register_profile("automm", deadline=None)  # a busy machine fails no property
settings.load_profile("automm")

HERE = Path(__file__).parent
TIERS = ("unit", "property", "keras", "integration", "e2e")  # the cheap ones first
REAL_CACHE = cache_dir()  # before `isolated_cache` moves it


def _tier(item: pytest.Item) -> str:
    folder = item.path.relative_to(HERE).parts[0]
    if folder not in TIERS:
        raise pytest.UsageError(f"{item.path}: tests live in one of tests/{{{','.join(TIERS)}}}/")
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(_tier(item))
    items.sort(key=lambda item: TIERS.index(_tier(item)))


@pytest.fixture(scope="session", autouse=True)
def isolated_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """AUTOMM_CACHE_DIR for this process and those that it starts: empty at first."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def real_cache() -> Path:
    """The cache of the user who runs the tests, where pre-trained weights may be installed. Read only, please."""
    return REAL_CACHE
