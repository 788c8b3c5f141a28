"""The answers for the test split that a run has kept."""

import numpy as np

from automm.tracking.packed_answers import TEST, PackedAnswers
from automm.tracking.run_folder import Run

FLOAT16 = {"rtol": 2**-11 + 1e-5, "atol": 1e-5}  # how far an equal answer may be from the one that was kept


def kept_answers(run: Run) -> dict[str, np.ndarray]:
    """Return `ids`, `targets`, and the answers of each candidate by its name, in the same order."""
    tested = PackedAnswers.read(run, TEST)
    return {"ids": tested.rows.ids, "targets": tested.rows.targets, **tested.answers}
