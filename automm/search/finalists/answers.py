"""Read a split with many models, each expensive part once.

Frozen encoders are not run: suffixes read stored features. A model that was trained with its encoders, or with their
upper halves, is cut before its head: the part in front reads each review once, and the head then also answers with
modalities masked. The answers of an ensemble are combined from its members' answers, which are read once too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from automm.data.inputs.input_sources import LOWER, source_of_input
from automm.data.inputs.modalities import without
from automm.models.average import combined, members_of
from automm.models.keras_internals import operation_of
from automm.models.packing import unwrap
from automm.models.whole import compiled, rows_at_once
from automm.search.bench import Bench
from automm.search.features.states import RawAndOther
from automm.search.features.suffix import nodes_of
from automm.tracking.run_folder import Candidate

STATES_AT_ONCE = 32  # reviews whose states an upper half reads at once

Answers = dict[str, np.ndarray]  # (rows, outputs) by the modality that is masked; EVERY: none is
EVERY = ""
Read = Callable[[np.ndarray, Sequence[str]], Answers]  # from rows and the modalities to mask, one at a time


class Reader:
    """Prepares each candidate once, however often it reads."""

    def __init__(self, bench: Bench):
        self._bench = bench
        self._functions: dict[str, Read] = {}

    def function(self, name: str, model: Any) -> Read:
        """Return the function that answers with a saved model; a name always stands for the same model."""
        if name not in self._functions:
            self._functions[name] = self._function(model)
        return self._functions[name]

    def _function(self, model: Any) -> Read:
        inner = unwrap(model)
        if not any(_is_expensive(tensor.name) for tensor in inner.inputs):
            predict = self._bench.predictor(model)
            return lambda rows, lost: {
                EVERY: predict(rows),
                **{name: predict(rows, without=name) for name in lost},
            }
        if len(members := members_of(inner)) > 1:
            parts = [self._function(member) for member in members]
            return lambda rows, lost: _combined(inner, [part(rows, lost) for part in parts])
        return self._through_head(inner)

    def _through_head(self, model: Any) -> Read:
        """Return the function of a model whose last layer is its head, a nested model (`models/whole`)."""
        head = operation_of(model.outputs[0])
        (node,) = nodes_of(model, head)
        names = sorted(tensor.name for tensor in head.inputs)  # Keras flattens a dict in the order of its keys
        front = compiled(keras.Model(model.inputs, dict(zip(names, node.input_tensors, strict=True))))
        answer = compiled(head)
        setup, source = self._bench.setup, self._bench.input_rows(model)
        lengths = setup.features.lengths
        raw = isinstance(source, RawAndOther)
        at_once = rows_at_once(setup.experiment.inputs.max_images) if raw else STATES_AT_ONCE

        def read(rows: np.ndarray, lost: Sequence[str]) -> Answers:
            order = np.argsort(lengths[rows], kind="stable")  # little padding
            answers: Answers = {}
            for start in range(0, len(order), at_once):
                places = order[start : start + at_once]
                batch = front(source.batch(rows[places]))
                for name in (EVERY, *lost):
                    left = without(batch, name, np.ones(len(places), bool)) if name else batch
                    part = answer(left)
                    answers.setdefault(name, np.zeros((len(order), part.shape[1]), np.float32))[places] = part
            return answers

        return read


class Reading:
    """The answers of candidates for some rows, each read once.

    Args:
        rows: (n,) rows of the setup.
        lost: the modalities that are masked in all rows, one at a time.
    """

    def __init__(self, reader: Reader, rows: np.ndarray, lost: Sequence[str] = ()):
        self._reader, self._rows, self._lost = reader, rows, tuple(lost)
        self._read: dict[str, Answers] = {}

    def of(self, candidate: Candidate, model: Any) -> Answers:
        """Return the answers of a candidate.

        Args:
            model: its saved model.
        """
        names = list(candidate.members)
        members = members_of(model)
        # The model of an ensemble with a single member may be that member, whose own members are fold models.
        if len(names) != len(members):
            return self._answers(candidate.name, model)
        return _combined(model, [self._answers(name, member) for name, member in zip(names, members, strict=True)])

    def _answers(self, name: str, model: Any) -> Answers:
        if name not in self._read:
            self._read[name] = self._reader.function(name, model)(self._rows, self._lost)
        return self._read[name]


def _is_expensive(name: str) -> bool:
    source = source_of_input(name)
    return source.how == LOWER or source.array == "token_ids"


def _combined(model: Any, parts: Sequence[Mapping[str, np.ndarray]]) -> Answers:
    return {name: combined(model, [part[name] for part in parts]) for name in parts[0]}
