"""Section `modalities`: what each modality is worth to the recipe of the choice, with a verdict.

Three recipes are trained for each modality, on the same folds and with the same seeds: with it, without it, and with
that of another review. They are compared on the judged rows, out of fold; the test split is not read. As for every
candidate, the best epoch is chosen on the same rows, in all three alike.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automm.evaluate.evidence.worth import Gain, Scored, Worth, gain, scored, seed_variance, smallest_gain, worth
from automm.search.evidence.ablation import Arm
from automm.search.evidence.stage import INCOMPLETE, Stage
from automm.search.evidence.trainings import SEEDS, OutOfTime
from automm.search.setup.data import Setup

NAME = "modalities"
WORDS = {"text": ("the text", False), "image": ("the pictures", True), "metadata": ("the metadata", True)}
FEWEST_PICTURES = 10  # judged reviews with a picture at a place, to say what it is worth


def arms(stage: Stage, seed: int) -> dict[tuple[str, str], Arm]:
    """Return the arms of one seed: with ("", ""), and by modality ("without", name) and ("shuffled", name)."""
    found = {("", ""): Arm(seed)}
    for modality in stage.trainings.modalities:
        found["without", modality] = Arm(seed, lost=frozenset([modality]))
        found["shuffled", modality] = Arm(seed, shuffled=modality)
    return found


def seconds(stage: Stage) -> float:
    """Estimate the seconds of the first seed, without which there is no verdict."""
    return stage.trainings.seconds(list(arms(stage, 1).values()))


def modalities(stage: Stage) -> dict[str, Any]:
    """Return the section; see docs/evidence.md."""
    setup, trainings = stage.search.setup, stage.trainings
    metric = setup.experiment.objective.removeprefix("val_")
    answers: dict[tuple[str, str], list[np.ndarray]] = {}
    incomplete, done = "", 0
    for seed in range(1, SEEDS + 1):
        try:
            of_seed = {key: trainings.answers(arm) for key, arm in arms(stage, seed).items()}
        except OutOfTime as error:
            if not done:
                raise
            incomplete = f"{done} of {SEEDS} seeds: {error}"
            break
        for key, given in of_seed.items():
            answers.setdefault(key, []).append(given)
        done = seed
    rows = setup.judged_rows
    scores = {
        key: [scored(setup.task, metric, rows.targets, one, rows.units) for one in given]
        for key, given in answers.items()
    }
    found: dict[str, Any] = {
        "recipe": trainings.recipe.candidate.name,
        "why": trainings.recipe.why,
        "metric": metric,
        "seeds": done,
        "reviews": len(rows),
        "scores": {" ".join(filter(None, key)) or "all": [one.value for one in of] for key, of in scores.items()},
        "of": {name: _verdict(setup, metric, name, scores) for name in trainings.modalities},
        "places": _places(stage, metric, range(1, done + 1)) if "image" in trainings.modalities else [],
    }
    return {**found, INCOMPLETE: incomplete} if incomplete else found


def _verdict(setup: Setup, metric: str, name: str, scores: dict[tuple[str, str], list[Scored]]) -> dict[str, Any]:
    """Return the verdict about one modality, with the two comparisons that it follows from."""
    task, rows = setup.task, setup.judged_rows
    direction, variance = task.metrics[metric].direction, seed_variance(list(scores.values()))
    gains: dict[str, Gain] = {
        how: gain(scores["", ""], scores[how, name], direction, variance) for how in ("without", "shuffled")
    }
    margin = smallest_gain(task, metric, rows.targets, setup.outputs)
    words, plural = WORDS.get(name, (f"the {name}", False))
    said: Worth = worth(
        gains["without"], gains["shuffled"], task.metrics[metric], margin, len(rows), words, plural=plural
    )
    return {**vars(said), "margin": margin, **{how: vars(found) for how, found in gains.items()}}


def _places(stage: Stage, metric: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return what the pictures at each place are worth to the same models, on the reviews that have one there.

    The models are not trained again: this is what they use, not what another model could do without.
    """
    setup, rows = stage.search.setup, stage.search.setup.judged_rows
    task, direction = setup.task, setup.task.metrics[metric].direction
    judged = np.concatenate([fold.validation for fold in setup.folds])
    has = setup.arrays.image_mask_of(judged) > 0
    pairs = [(stage.trainings.answers(Arm(s)), stage.trainings.answers_without_place(Arm(s))) for s in seeds]
    found = []
    for place in range(has.shape[1]):
        some = has[:, place]
        if some.sum() < FEWEST_PICTURES:
            continue
        targets, units = rows.targets[some], rows.units[some]
        complete = [scored(task, metric, targets, answers[some], units) for answers, _ in pairs]
        lacking = [scored(task, metric, targets, without[place][some], units) for _, without in pairs]
        found.append({"place": place + 1, "reviews": int(some.sum()), **vars(gain(complete, lacking, direction))})
    return found
