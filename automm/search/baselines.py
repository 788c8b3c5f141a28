"""Run the hand-built candidates before the first trial; they are evaluated like trials."""

import time
from collections.abc import Callable
from typing import Any

from automm.config.experiment import FORMER_BASELINES, TREES
from automm.config.inputs import ALL
from automm.models import baselines
from automm.search.candidates.bag_of_words import BagOfWords
from automm.search.candidates.boosted_trees import Trees
from automm.search.candidates.constant import Constant
from automm.search.candidates.end_to_end import EndToEnd
from automm.search.candidates.estimator import Estimator
from automm.search.candidates.head import Head
from automm.search.candidates.late_average import LateAverage
from automm.search.candidates.linear import PARTS, LinearModel
from automm.search.finalists.pilots import SUFFIX, entry, run_pilot, train_if_it_won
from automm.search.session import Search
from automm.search.setup.words import BAG_OF_WORDS
from automm.tracking.run_folder import COMPLETED, COPIES, KILLED

KIND, END_TO_END = "baseline", "end_to_end"
# A seed is derived from a name. Two baselines use the seed of another name.
SEED_NAMES = {
    "low_rank_bilinear": "bilinear",  # its former name: figures stay the same as before the renaming
    **COPIES,  # the same model: same initial weights and batches
}


def run_baselines(search: Search) -> None:
    """Run every baseline of the experiment that has no record yet, in order, until the time limit.

    The end-to-end candidate is trained on the first fold; `finish_end_to_end` decides about the others.
    """
    done = {_present(candidate.name) for candidate in search.candidates if candidate.status != KILLED}
    wanted = search.setup.experiment.baselines
    several = any(len(names) > 1 for names in search.setup.shapes.encoders.values())
    names = wanted.names(_towers(search), search.setup.task, several_encoders=several)
    for name in names:
        if name not in done and not search.budget.out_of_time():
            search.runner.run(baseline(search, name))
    if wanted.end_to_end and END_TO_END not in done and not search.budget.out_of_time():
        run_pilot(search, baseline(search, END_TO_END))


def finish_end_to_end(search: Search) -> None:
    """After the trials, train the end-to-end candidate on all folds if its pilot has won and the time suffices."""
    if search.setup.experiment.baselines.end_to_end:
        estimator = baseline(search, END_TO_END)
        assert isinstance(estimator, EndToEnd)
        limits = "baselines.end_to_end_time or budget.time"
        train_if_it_won(search, estimator, estimator.start, estimator.deadline, limits)


def end_to_end_entry(search: Search) -> dict[str, Any] | None:
    """Return the entry "end_to_end" of result.json: its pilot's comparison with frozen heads; None without a pilot."""
    return entry(search, END_TO_END, _start(search))


def baseline(search: Search, name: str) -> Estimator:
    """Return the estimator of a baseline, by its name in the task; a run from before a renaming has the former name."""
    general = {search.setup.task.baseline(one): one for one in (*_MAKERS, *baselines.TRAINED)}
    present = _present(name)
    return _MAKERS.get(general[present], _head)(search, name, general[present])


def _head(search: Search, name: str, general: str) -> Estimator:
    build, point = baselines.TRAINED[general]
    if "fusion/operator" in point:
        point = _point(search, point)
    return Head(name, KIND, point, SEED_NAMES.get(general, name), build=lambda: build(search.setup.shapes, point))


def _point(search: Search, point: dict[str, Any]) -> dict[str, Any]:
    """Complete a point of the space with the columns and the encoders of the search."""
    encoders = search.setup.experiment.encoders.by_modality
    return baselines.with_encoders(baselines.with_columns(point, _towers(search)), encoders)


def _towers(search: Search) -> tuple[str, ...]:
    return search.setup.dataset.manifest.towers(search.setup.experiment.inputs)


def _present(name: str) -> str:
    """Return a baseline's present name; a run from before a renaming has the former one."""
    return FORMER_BASELINES.get(name, name)


def _late_average(search: Search, name: str, general: str) -> Estimator:
    return LateAverage(name, KIND, completed=_completed(search))


def _end_to_end(search: Search, name: str, general: str) -> Estimator:
    settings, deadline = search.setup.experiment.baselines, search.budget.deadline
    # An interrupted pilot is trained again from its start, in the whole time.
    pilots = [c for c in search.candidates if c.name == END_TO_END + SUFFIX and c.status == COMPLETED]
    end = time.monotonic() + settings.end_to_end_time - sum(pilot.seconds for pilot in pilots)
    return EndToEnd(
        name,
        KIND,
        {
            **_point(search, baselines.CONCATENATION),
            "training/learning_rate": settings.end_to_end_learning_rate,
        },
        start=_start(search),
        epochs=settings.end_to_end_epochs,
        deadline=end if deadline is None else min(end, deadline),
    )


def _start(search: Search) -> str:
    return "concatenation" if "concatenation" in _completed(search) else ""


def _completed(search: Search) -> set[str]:
    return {candidate.name for candidate in search.candidates if candidate.status == COMPLETED}


def _linear(search: Search, name: str, general: str) -> Estimator:
    parts = general.removeprefix("logistic_")
    modalities, everything = _modalities(search, parts), parts == "all_encoders"
    point = {"modalities": "+".join(modalities), **(_all_encoders(search) if everything else {})}
    return LinearModel(name, KIND, point, modalities=modalities, all_encoders=everything)


def _trees(search: Search, name: str, general: str) -> Estimator:
    modalities = _modalities(search, "all_encoders")
    point = {"modalities": "+".join(modalities), **_all_encoders(search)}
    return Trees(name, KIND, point, modalities=modalities)


def _all_encoders(search: Search) -> dict[str, Any]:
    """Return the part of a point that says that all encoders are read, where there are several."""
    encoders = search.setup.shapes.encoders
    return {f"{modality}/encoder": ALL for modality, names in encoders.items() if len(names) > 1}


def _modalities(search: Search, parts: str) -> tuple[str, ...]:
    """Return those of PARTS that models read."""
    available = ("text", "image", *_towers(search))
    return tuple(modality for modality in PARTS[parts] if modality in available)


# By general name; all other baselines are heads.
_MAKERS: dict[str, Callable[[Search, str, str], Estimator]] = {
    "majority": lambda search, name, general: Constant(name, KIND),
    **{f"logistic_{parts}": _linear for parts in PARTS},
    BAG_OF_WORDS: lambda search, name, general: BagOfWords(name, KIND, {"modalities": "words"}),
    "late_average": _late_average,
    TREES: _trees,
    END_TO_END: _end_to_end,
}
