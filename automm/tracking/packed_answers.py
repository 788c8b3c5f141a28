"""What candidates answered for some reviews, packed into one file: `judged.npz` and `test.npz` of a run folder.

A report needs neither data, nor models, nor TensorFlow. Figures in result.json were computed from the float32 answers
before they were packed. What is read back differs from those by at most:

- probabilities of up to MANY labels: float16, 0.05 % of a probability (and 3e-8 below 6e-5)
- of more labels: the TOP most probable ones of each review and the true one, as float16. The rest of the probability is
  divided equally among the others, which are each at most 1 / (TOP + 1) off
- predicted labels: nothing. They are stored, with the decision by class where there is one
- numbers: nothing. They are stored as float32, because float16 ends at 65,504
"""

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automm.data.files import write_atomically
from automm.errors import DataError, NotFoundError
from automm.paths import runs_flag
from automm.tasks.base import Task
from automm.tasks.classification import MANY
from automm.tracking.judged_rows import JudgedRows
from automm.tracking.run_folder import Run

JUDGED, TEST = "judged.npz", "test.npz"
TOP = 20
ROWS = ("ids", "targets", "units", "folds")
DENSE, LABELS, COLUMNS, VALUES = "answers/", "labels/", "top_columns/", "top_values/"  # then a candidate's name


@dataclass(frozen=True)
class PackedAnswers:
    """The answers of candidates for n reviews.

    Attributes:
        rows: the reviews; those of the test split are in no fold, which is number 0.
        answers: (n, outputs) float32 by candidate.
        labels: (n,) int64 by candidate, the predicted labels; {} if answers are no probabilities.
        outputs: the number of values that a model returns for a review.
    """

    rows: JudgedRows
    answers: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    outputs: int

    def decided(self, name: str) -> np.ndarray:
        """Return scores of a candidate of which the largest is its label, (n, outputs); else its answers."""
        if name not in self.labels:
            return self.answers[name]
        decided = np.zeros((len(self.rows), self.outputs), np.float32)
        decided[np.arange(len(self.rows)), self.labels[name]] = 1.0
        return decided

    @classmethod
    def read(cls, run: Run, name: str) -> "PackedAnswers":
        """Read a file of a run.

        Args:
            name: JUDGED or TEST.

        Raises:
            NotFoundError: there is none: the search did not end, or an earlier version ran it.
            DataError: it is damaged.
        """
        path = run.folder / name
        if not path.is_file():
            raise NotFoundError(
                f"{path} is not there: the search has not ended, or an earlier version ran it. Resume it, which reads "
                f"the test split again: automm search --resume {run.name}{runs_flag(run.folder.parents[1])}"
            )
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
            rows, outputs = JudgedRows(*(found[name] for name in ROWS)), int(found["outputs"])
        except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is damaged ({error}). Resume the run to write it again") from error
        dense = [name for name in found if name.startswith(DENSE)]
        answers = {name.removeprefix(DENSE): found[name].astype(np.float32) for name in dense}
        for name in (name.removeprefix(COLUMNS) for name in found if name.startswith(COLUMNS)):
            answers[name] = _spread(found[COLUMNS + name], found[VALUES + name], outputs)
        labels = {name.removeprefix(LABELS): found[name].astype(np.int64) for name in found if name.startswith(LABELS)}
        return cls(rows, answers, labels, outputs)


def write_packed(
    path: Path,
    task: Task,
    rows: JudgedRows,
    outputs: int,
    answers: Iterable[tuple[str, np.ndarray]],
    biased: Mapping[str, np.ndarray],
) -> None:
    """Write a file, one candidate after another.

    Args:
        answers: (n, outputs) by candidate.
        biased: of candidates with a decision by class, (n, outputs) of which the largest is the label.
    """
    arrays = {**{name: getattr(rows, name) for name in ROWS}, "outputs": np.int64(outputs)}
    for name, scores in answers:
        if not task.has_probabilities:
            arrays[DENSE + name] = scores.astype(np.float32)
            continue
        labels = biased.get(name, scores).argmax(axis=1)
        arrays[LABELS + name] = labels.astype(np.min_scalar_type(outputs))
        if outputs <= MANY:
            arrays[DENSE + name] = scores.astype(np.float16)
        else:
            arrays[COLUMNS + name], arrays[VALUES + name] = _top(scores, rows.targets)
    content = io.BytesIO()
    # Compressing the answers for many labels would take seconds.
    (np.savez_compressed if outputs <= MANY else np.savez)(content, **arrays)
    write_atomically(path, content.getvalue())


def _top(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the largest TOP + 1 scores of each row and the scores, both (n, TOP + 1).

    Where the target is not one of them, it takes the place of the last.
    """
    # The first of them is the smallest, so they are reversed.
    columns = np.argpartition(scores, -TOP - 1, axis=1)[:, : -TOP - 2 : -1]
    absent = ~(columns == targets[:, None]).any(axis=1)
    columns[absent, TOP] = targets[absent]
    values = np.take_along_axis(scores, columns, axis=1)
    return columns.astype(np.min_scalar_type(scores.shape[1])), values.astype(np.float16)


def _spread(columns: np.ndarray, values: np.ndarray, outputs: int) -> np.ndarray:
    """Return probabilities, (n, outputs) float32, from those of some columns."""
    kept = values.astype(np.float32)
    rest = np.clip(1.0 - kept.sum(axis=1, keepdims=True), 0.0, None) / (outputs - columns.shape[1])
    answers = np.repeat(rest, outputs, axis=1).astype(np.float32)
    np.put_along_axis(answers, columns.astype(np.int64), kept, axis=1)
    return answers
