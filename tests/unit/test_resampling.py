"""Pictures of extreme shapes become squares in little memory. `tests/keras/test_preprocessing.py` compares pixels."""

import tracemalloc

import numpy as np
import pytest

from automm.data.images.resampling import square


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("shape", [(1, 6000), (6000, 1)])
def test_a_long_picture(fit, antialias, shape):
    pixels = np.full((*shape, 3), 200, np.uint8)
    tracemalloc.start()
    try:
        found = square(pixels, 32, interpolation="bicubic", antialias=antialias, fit=fit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.shape == (32, 32, 3)
    if fit != "pad":
        assert (found == 200).all()
    assert peak < 2_000_000  # a padded square has 108 MB
