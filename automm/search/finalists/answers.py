"""Read a split with many models, each expensive part once.

Frozen encoders are not run: suffixes read stored features. A model that was trained with its encoders, or with their
upper halves, is cut before its head: the part in front reads each review once, and the head then also answers with
modalities masked. The answer of an ensemble is the weighted mean of its members' answers, which are read once too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from automm.data.inputs.input_sources import LOWER, source_of_input
from automm.data.inputs.modalities import without
from automm.models.average import members_of, shares_of
from automm.models.keras_internals import operation_of
from automm.models.packing import unwrap
from automm.search.bench import Bench
from automm.search.features.suffix import nodes_of
from automm.tracking.run_folder import Candidate

AT_ONCE = 32  # reviews that a part in front of a head reads at once
MEMBER = "ensemble/"  # prefix of an ensemble's members in its hyperparameters

Answers = dict[str, np.ndarray]  # (rows, outputs) by the modality that is masked; EVERY: none is
EVERY = ""


class Reader:
    """Answers of candidates for some rows.

    Args:
        rows: (n,) rows of the setup.
        lost: the modalities that are masked in all rows, one at a time.
    """

    def __init__(self, bench: Bench, rows: np.ndarray, lost: Sequence[str]):
        self._bench, self._rows, self._lost = bench, rows, tuple(lost)
        self._read: dict[str, Answers] = {}

    def of(self, candidate: Candidate, model: Any) -> Answers:
        """Return the answers of a candidate.

        Args:
            model: its saved model.
        """
        if candidate.name not in self._read:
            names = [name.removeprefix(MEMBER) for name in candidate.hyperparameters if name.startswith(MEMBER)]
            parts = dict(zip(names, members_of(model), strict=True)) if len(names) > 1 else {candidate.name: model}
            for name, part in parts.items():
                if name not in self._read:
                    self._read[name] = self._answers(part)
            if len(names) > 1:
                self._read[candidate.name] = _mean([self._read[name] for name in names], shares_of(model))
        return self._read[candidate.name]

    def _answers(self, model: Any) -> Answers:
        inner = unwrap(model)
        if not any(_is_expensive(tensor.name) for tensor in inner.inputs):
            read = self._bench.predictor(model)
            return {EVERY: read(self._rows), **{name: read(self._rows, without=name) for name in self._lost}}
        if len(members := members_of(inner)) > 1:
            return _mean([self._answers(member) for member in members], shares_of(inner))
        return self._through_head(inner)

    def _through_head(self, model: Any) -> Answers:
        """Return the answers of a model whose last layer is its head, a nested model (`models/whole`)."""
        head = operation_of(model.outputs[0])
        (node,) = nodes_of(model, head)
        names = sorted(tensor.name for tensor in head.inputs)  # Keras flattens a dict in the order of its keys
        front = keras.Model(model.inputs, dict(zip(names, node.input_tensors, strict=True)))
        source = self._bench.input_rows(model)
        order = np.argsort(self._bench.setup.features.lengths[self._rows], kind="stable")  # little padding
        answers: Answers = {}
        for start in range(0, len(order), AT_ONCE):
            places = order[start : start + AT_ONCE]
            given = front(source.batch(self._rows[places]), training=False)
            batch = {name: np.asarray(values) for name, values in given.items()}
            for name in (EVERY, *self._lost):
                left = without(batch, name, np.ones(len(places), bool)) if name else batch
                part = np.asarray(head(left, training=False))
                answers.setdefault(name, np.zeros((len(order), part.shape[1]), np.float32))[places] = part
        return answers


def _is_expensive(name: str) -> bool:
    source = source_of_input(name)
    return source.how in (LOWER, "token_ids")


def _mean(parts: Sequence[Mapping[str, np.ndarray]], shares: Sequence[float]) -> Answers:
    return {
        name: sum(share * part[name] for share, part in zip(shares, parts, strict=True)).astype(np.float32)  # type: ignore[union-attr]
        for name in parts[0]
    }
