"""Write `judged.npz` and `test.npz`, and compute the sections `metrics`, `comparisons`, `confidence` of the evidence.

They are computed here, where the answers for the test split are at hand: it is not read again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from automm.evaluate.comparisons.baselines import against_baselines, spread_of_seeds
from automm.evaluate.comparisons.paired import Scores
from automm.evaluate.confidence.rows import Answered
from automm.evaluate.confidence.section import confidence_of
from automm.search.finalists.seeds import trainings_of
from automm.search.session import Search
from automm.tasks.base import Detailed
from automm.tasks.classification import MANY
from automm.tracking.judged_rows import JudgedRows
from automm.tracking.packed_answers import JUDGED, TEST, write_packed
from automm.tracking.run_folder import COMPLETED


def packed_evidence(
    search: Search, best: str, answers: Mapping[str, np.ndarray], decided: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Write both files, and return the sections by name (docs/evidence.md).

    Args:
        best: the name of the choice.
        answers: (test rows, outputs) by candidate.
        decided: the same, of which the largest is the label (`evaluate/decision`).
    """
    setup, task, folder = search.setup, search.setup.task, search.run.folder
    rows, targets = setup.rows("test"), setup.targets("test")
    ids = np.array([setup.arrays.ids[row] for row in rows], np.str_)
    tested = JudgedRows(ids, targets, setup.units[rows], np.zeros(len(rows), np.int64))
    write_packed(folder / TEST, task, tested, setup.outputs, answers.items(), decided)
    of_judged: dict[str, Detailed] = {}
    write_packed(folder / JUDGED, task, setup.judged_rows, setup.outputs, _judged(search, of_judged), {})
    each = {name: setup.outputs <= MANY or name == best for name in answers}
    of_test = {
        name: task.detailed(targets, found, decided[name], setup.labels, each_label=each[name])
        for name, found in answers.items()
    }
    judged = search.run.predictions(best)
    confidence: dict[str, Any] = {}
    if judged is not None and len(judged) == len(setup.judged_rows):  # not of a candidate with a record of other folds
        own = setup.judged_rows
        confidence["confidence"] = asdict(
            confidence_of(
                task,
                Answered(own.ids, own.targets, own.units, judged),
                Answered(tested.ids, tested.targets, tested.units, answers[best], decided[best]),
                averaged=len(setup.folds) > 1,
                seed=setup.experiment.seed,
            )
        )
    scores = {name: Scores(answers[name], decided[name]) for name in answers}
    baselines = {c.name for c in search.candidates if c.kind == "baseline"} - {best}
    seeds = {name: kept for name, kept in trainings_of(search).items() if of_judged.keys() >= {*kept}}
    return {
        "metrics": {
            "labels": list(setup.labels),
            "judged": {name: asdict(found) for name, found in of_judged.items()},
            "test": {name: asdict(found) for name, found in of_test.items()},
        },
        "comparisons": {
            "choice": best,
            **against_baselines(
                task,
                setup.experiment.objective.removeprefix("val_"),
                targets,
                tested.units,
                scores[best],
                {name: scored for name, scored in scores.items() if name in baselines},
            ),
            "seeds": spread_of_seeds(of_judged, seeds),
        },
        **confidence,
    }


def _judged(search: Search, measured: dict[str, Detailed]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the answers of each candidate that was judged on all rows, (judged rows, outputs), and measure them.

    They are without the decision by class, which was fitted on these rows.

    Args:
        measured: gets the metrics of each candidate.
    """
    setup = search.setup
    for candidate in search.candidates:
        if candidate.status == COMPLETED and candidate.evaluation == setup.evaluation:
            answers = search.run.predictions(candidate.name)
            if answers is not None:
                each = setup.outputs <= MANY
                measured[candidate.name] = setup.task.detailed(
                    setup.validation_targets, answers, answers, setup.labels, each_label=each
                )
                yield candidate.name, answers
