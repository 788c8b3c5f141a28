"""The reviews on which all candidates of a run are judged: one file, `judged_rows.npz` in the run folder.

Together with `Run.predictions`, one array a candidate, it is all that a selection needs.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automm.errors import DataError

FILE = "judged_rows.npz"


@dataclass(frozen=True)
class JudgedRows:
    """The n judged reviews, fold after fold: the order of the rows of `Run.predictions`.

    Attributes:
        ids: (n,) str.
        targets: (n,), in the form of the task.
        units: (n,) int64, the resampling unit of each review; reviews of one unit are not independent of each other.
        folds: (n,) int64, the number of the fold that did not train on the review, from 1.
    """

    ids: np.ndarray
    targets: np.ndarray
    units: np.ndarray
    folds: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def same_rows(self, other: "JudgedRows") -> bool:
        """Return whether the ids and folds are the same, in the same order."""
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.folds, other.folds)

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        content = io.BytesIO()
        np.savez_compressed(content, ids=self.ids, targets=self.targets, units=self.units, folds=self.folds)
        return content.getvalue()

    @classmethod
    def read(cls, folder: Path) -> "JudgedRows | None":
        """Read the file of a run folder; None for a run of an earlier version, which has none.

        Raises:
            DataError: the file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                return cls(file["ids"], file["targets"], file["units"], file["folds"])
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is damaged ({error}). Restore it, or start a new run") from error
