"""The reviews on which all candidates of a run are judged, in one file."""

from dataclasses import replace

import numpy as np
import pytest

from automm.errors import DataError
from automm.tracking.judged_rows import FILE, JudgedRows
from automm.tracking.run_folder import Run


def rows() -> JudgedRows:
    ids = np.array(["a", "größe 你好", "c" * 300])
    return JudgedRows(ids, np.array([0, 1, 1]), np.array([7, 7, 2]), np.array([1, 1, 2]))


def test_what_is_written_is_read(tmp_path):
    assert Run(tmp_path).judged_rows() is None
    (tmp_path / FILE).write_bytes(rows().to_bytes())
    read = Run(tmp_path).judged_rows()
    for name, array in vars(rows()).items():
        np.testing.assert_array_equal(getattr(read, name), array)
    assert read.same_rows(rows())
    assert len(read) == 3


def test_other_ids_folds_or_orders_are_other_rows():
    assert not rows().same_rows(replace(rows(), ids=np.array(["a", "c", "b"])))
    assert not rows().same_rows(replace(rows(), folds=np.array([1, 2, 2])))
    assert not rows().same_rows(JudgedRows(*(array[:2] for array in vars(rows()).values())))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", rows().to_bytes()[:200]])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DataError, match=r"judged_rows\.npz is damaged"):
        Run(tmp_path).judged_rows()
