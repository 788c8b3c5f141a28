"""Run the hand-built candidates before the first trial; they are evaluated like trials."""

import time
from collections.abc import Callable

from automm.config.experiment import FORMER_BASELINES
from automm.models import baselines
from automm.search.candidates.constant import Constant
from automm.search.candidates.end_to_end import EndToEnd
from automm.search.candidates.estimator import Estimator
from automm.search.candidates.head import Head
from automm.search.candidates.late_average import LateAverage
from automm.search.candidates.linear import PARTS, LinearModel
from automm.search.session import Search
from automm.tracking.run_folder import COMPLETED, KILLED

KIND = "baseline"
# A seed is derived from a name. Two baselines use the seed of another name.
SEED_NAMES = {
    "low_rank_bilinear": "bilinear",  # its former name: figures stay the same as before the renaming
    "packed_concatenation": "concatenation",  # the same model: same initial weights and batches
}


def run_baselines(search: Search) -> None:
    """Run every baseline of the experiment that has no record yet, in order, until the time limit."""
    done = {_present(candidate.name) for candidate in search.candidates if candidate.status != KILLED}
    wanted = search.setup.experiment.baselines
    names = wanted.names(search.setup.dataset.manifest.columns, search.setup.task)
    for name in [*names, *(["end_to_end"] if wanted.end_to_end else [])]:
        if name not in done and not search.budget.out_of_time():
            search.runner.run(baseline(search, name))


def baseline(search: Search, name: str) -> Estimator:
    """Return the estimator of a baseline, by its name in the task."""
    makers = {search.setup.task.baseline(general): make for general, make in _MAKERS.items()}
    return makers.get(name, _head)(search, name)


def _head(search: Search, name: str) -> Estimator:
    present = _present(name)
    build, point = baselines.TRAINED[present]
    if "fusion/operator" in point:
        point = baselines.with_columns(point, search.setup.dataset.manifest.columns)
    return Head(name, KIND, point, SEED_NAMES.get(present, present), build=lambda: build(search.setup.shapes, point))


def _present(name: str) -> str:
    """Return a baseline's present name; a run from before a renaming has the former one."""
    return FORMER_BASELINES.get(name, name)


def _late_average(search: Search, name: str) -> Estimator:
    return LateAverage(name, KIND, completed=_completed(search))


def _end_to_end(search: Search, name: str) -> Estimator:
    settings, deadline = search.setup.experiment.baselines, search.budget.deadline
    end = time.monotonic() + settings.end_to_end_time
    return EndToEnd(
        name,
        KIND,
        {
            **baselines.with_columns(baselines.CONCATENATION, search.setup.dataset.manifest.columns),
            "training/learning_rate": settings.end_to_end_learning_rate,
        },
        start="concatenation" if "concatenation" in _completed(search) else "",
        epochs=settings.end_to_end_epochs,
        deadline=end if deadline is None else min(end, deadline),
    )


def _completed(search: Search) -> set[str]:
    return {candidate.name for candidate in search.candidates if candidate.status == COMPLETED}


def _linear(parts: str) -> Callable[[Search, str], Estimator]:
    return lambda search, name: LinearModel(name, KIND, parts=parts)


# By general name; all other baselines are heads.
_MAKERS: dict[str, Callable[[Search, str], Estimator]] = {
    "majority": lambda search, name: Constant(name, KIND),
    **{f"logistic_{parts}": _linear(parts) for parts in PARTS},
    "late_average": _late_average,
    "end_to_end": _end_to_end,
}
