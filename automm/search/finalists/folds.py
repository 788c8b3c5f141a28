"""Finalists on every fold of the manifest: what was found on the first is trained anew on each of the others.

A search picks its finalists on the first fold's train and validation. Their hyperparameters are then trained on every
other fold's, with the same plan, seed and evaluation, everything that is learned from data learned there; the test part
is read once for each, and decides nothing. The first fold's figure alone is of reviews that the search has never seen:
the others' test parts were among those that hyperparameters were picked on, so that their figures say how much a score
varies, and flatter it a little (Cawley and Talbot 2010, "On over-fitting in model selection", JMLR 11).

Encoders stay frozen here. A candidate of tier 2 is measured as the one of tier 1 that it was made from, an ensemble as
the mean of its members, and both say so.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from automm.data.inputs.input_sources import PIXELS
from automm.errors import TrialError
from automm.evaluate.folds import SEARCHED, Measured
from automm.models import baselines
from automm.models.towers import needed_sources
from automm.search.baselines import baseline
from automm.search.candidates.head import Head
from automm.search.candidates.late_average import AVERAGED
from automm.search.finalists.fine_tune import KIND as FINE_TUNED
from automm.search.finalists.fine_tune import SUFFIX
from automm.search.interrupt import check, interruptible
from automm.search.memory import give_back
from automm.search.reporter import Reporter
from automm.search.session import Search
from automm.search.setup.data import Loaded, Setup, prepare, sources
from automm.search.training.pixels import pixel_encoder
from automm.tracking.protocol import NoTracker
from automm.tracking.run_folder import COMPLETED, FAILED, Candidate, Run

FOLDER = "folds"  # in a run's folder, a folder a fold

log = logging.getLogger("automm")


def cross_validate(search: Search, loaded: Loaded, finalists: Sequence[Candidate]) -> dict[str, Measured]:
    """Measure candidates on the folds that the search did not see, by name; nothing where the manifest has none.

    The first fold is measured here only for those whose parts are not themselves. What was measured before a Ctrl-C
    stands in the run's folder and is not measured again.
    """
    if not loaded.others:
        return {}
    measured = {candidate.name: Measured(*parts_of(search, candidate.name)) for candidate in finalists}
    folds = {SEARCHED: [name for name, one in measured.items() if one.frozen], **dict.fromkeys(loaded.others, measured)}
    bases = {base for one in measured.values() for base in one.parts}
    seconds = sum(candidate.seconds for candidate in search.candidates if candidate.name in bases) * len(loaded.others)
    minutes = max(1, round(seconds / 60))
    search.reporter.stage(f"finalists on all {len(loaded.others) + 1} folds (about {minutes} min)")
    total = sum(len(names) for names in folds.values())
    done = 0
    with interruptible():
        for fold, names in folds.items():
            run = Run(search.run.folder / FOLDER / str(fold))
            inner = None
            for name in names:
                search.reporter.step("finalists on folds", done, total)
                if name not in _known(run):
                    inner = inner or _open(search, loaded, fold, run)
                    _measure(search, inner, fold, name, measured[name].parts)
                outcome = _known(run)[name]
                if isinstance(outcome, str):
                    measured[name].failed[fold] = outcome
                else:
                    measured[name].test[fold] = outcome
                done += 1
            give_back()
    return measured


def parts_of(search: Search, name: str) -> tuple[dict[str, float], bool]:
    """The candidates of tier 1 whose mean stands for one, their shares, and whether any stands for one of tier 2."""
    candidate = next((one for one in search.candidates if one.name == name and one.status == COMPLETED), None)
    if candidate is not None and candidate.kind == "ensemble":
        members = {key.partition("/")[2]: share for key, share in candidate.hyperparameters.items()}
    elif name == "late_average":
        members = dict.fromkeys(AVERAGED, 1.0)
    elif name == "end_to_end":
        return {"concatenation": 1.0}, True
    elif candidate is not None and candidate.kind == FINE_TUNED:
        return {name.removesuffix(SUFFIX): 1.0}, True
    else:
        return {name: 1.0}, False
    parts: dict[str, float] = {}
    frozen = False
    for member, share in members.items():
        inner, replaced = parts_of(search, member)
        frozen |= replaced
        for base, weight in inner.items():
            parts[base] = parts.get(base, 0.0) + weight * share / sum(members.values())
    return parts, frozen


class _Quiet:
    """A `Reporter` of what is encoded alone."""

    def __init__(self, reporter: Reporter):
        self.step = reporter.step

    def began(self, run: Run) -> None: ...
    def stage(self, text: str) -> None: ...
    def started(self, name: str) -> None: ...
    def finished(self, candidate: Candidate, best: Candidate | None, seconds_left: float | None) -> None: ...


def _open(search: Search, loaded: Loaded, fold: int, run: Run) -> Search:
    """The other fold's setup: its own statistics, columns and, where an encoder has none, vocabulary."""
    there, experiment = loaded.on(fold), search.setup.experiment
    setup = prepare(experiment, there, sources(experiment, there), search.reporter.step)
    run.candidates_folder.mkdir(parents=True, exist_ok=True)
    run.repair()
    # One that fails on every fold is a figure that is missing, and no reason to lose the others.
    inner = Search(setup, run, NoTracker(), _Quiet(search.reporter), None, give_up=lambda candidates: "")
    if setup.text_source.fingerprint == search.setup.text_source.fingerprint:
        inner.bench.layers = search.bench.layers  # which count parameters, and need not be built again for it
    return inner


def _known(run: Run) -> dict[str, Any]:
    """What a fold's candidates have been found to be worth: metrics, or why there are none."""
    return run.read("result.json").get("test", {})


def _measure(search: Search, inner: Search, fold: int, name: str, parts: dict[str, float]) -> None:
    """Write a candidate's figure, or why it has none, into the fold's result.json."""
    outcome: dict[str, float] | str
    try:
        answers = sum(share * _answers(search, inner, base) for base, share in parts.items())
        outcome = inner.setup.task.measure(inner.setup.targets("test"), np.asarray(answers, np.float32))
    except TrialError as error:
        outcome = str(error)
        log.warning("fold %d: %s", fold, error)
    except KeyboardInterrupt:
        inner.recorder.interrupted()
        raise
    inner.run.write("result.json", {"test": {**_known(inner.run), name: outcome}})
    if not isinstance(outcome, str):
        metric = search.setup.experiment.objective.removeprefix("val_")
        log.info("fold %d: %s: test %s %.3f", fold, name, metric, outcome[metric])


def _answers(search: Search, inner: Search, name: str) -> np.ndarray:
    """What a candidate of tier 1, trained on the fold, says of its test part."""
    check()
    kept = f"{name}.test"
    if (known := inner.run.predictions(kept)) is not None:
        return known
    path = inner.run.model_path(name)
    lines = [one for one in inner.candidates if one.name == name and one.status in (COMPLETED, FAILED)]
    if not lines or (lines[-1].status == COMPLETED and not path.is_file()):
        _train(search, inner, name)
        lines = [one for one in inner.candidates if one.name == name]
    if lines[-1].status != COMPLETED:
        raise TrialError(f"{name} failed: {lines[-1].error.splitlines()[0]}")
    answers = inner.bench.reader(inner.bench.saved(name))(inner.setup.rows("test"))
    inner.run.save_predictions(kept, answers)
    path.unlink()  # of no use any more: the model to export is the one that the search has made
    return answers


def _train(search: Search, inner: Search, name: str) -> None:
    found = next((one for one in search.candidates if one.name == name and one.status == COMPLETED), None)
    if found is None or found.kind != "trial":
        inner.runner.run(baseline(inner, name))
        return
    build = partial(suffix_of, inner.setup, found.point)
    inner.runner.run(Head(name, "finalist", found.hyperparameters, seed=found.seed, build=build))


def suffix_of(setup: Setup, point: dict[str, Any]) -> Any:
    """Build the suffix of a point, with the sizes of the read-outs that it needs."""
    point = {**baselines.READ, **point}
    text, image, *_ = needed_sources(point)
    sizes: dict[str, Any] = {"text_features": setup.features.readout(text.name).shape[-1]}
    if image.how != PIXELS:
        pictures = setup.features.readout(image.name)
        sizes["image_features"] = pictures.shape[-1]
        if pictures.ndim == 3:
            sizes["cells"] = pictures.shape[1]
    return baselines.fused(replace(setup.shapes, **sizes), point, pixel_encoder(point))
