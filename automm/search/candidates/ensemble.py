"""An ensemble of fitted candidates, whose members and form `evaluate/ensembles` selects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from automm.errors import TrialError
from automm.evaluate.combinations import Biased, Combination, LogMean, Tempered
from automm.evaluate.combine import FEWEST, Combiner, Crossing, divisions
from automm.evaluate.ensembles import (
    CLEAR,
    BestForm,
    Choice,
    Costs,
    Library,
    WithBiases,
    WithTemperature,
    forms,
    gain_of,
)
from automm.models import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.training.loop import Trained
from automm.tracking.run_folder import MEMBER, Candidate

FORM, TEMPERATURE = "combiner/form", "combiner/temperature"


@dataclass(frozen=True)
class Ensemble(Estimator):
    """A combination of fitted candidates.

    It is evaluated by crossing: the answer for a review is that of an ensemble whose members, form and decision were
    chosen without the review's part. Its metrics are means over several divisions into parts, and its answers are the
    mean of the crossed answers.

    A single candidate's score has a selection bias that a crossed one has not. For the ranking (`Fitted.comparable`),
    the ensemble has the recorded score of the best single candidate, and its lead over that candidate where both are
    crossed. If it has no lead, both numbers are the same.

    Attributes:
        members: the candidates to select from with their out-of-fold answers, best first.
        costs: returns what predicting with each of some candidates costs; None: the cost is not bounded.
    """

    members: Sequence[tuple[Candidate, np.ndarray]] = field(kw_only=True)
    costs: Callable[[Sequence[Candidate]], Costs] | None = None

    def fit(self, bench: Bench) -> Fitted:
        setup = bench.setup
        judged = setup.judged([prediction for _, prediction in self.members])
        if judged.count < FEWEST:
            raise TrialError(f"an ensemble needs {FEWEST} groups of linked reviews, and there are {judged.count}")
        rng = np.random.default_rng(setup.experiment.seed)  # as in `finalists/selection`: the same divisions
        crossings = [Crossing.drawn(judged, rng) for _ in range(divisions(judged))]
        candidates = [candidate for candidate, _ in self.members]
        costs = None if self.costs is None else self.costs(candidates)
        library = Library(tuple(range(len(candidates))), costs=costs)
        if costs is not None and not library.may_join(set()):
            fastest = min(costs.of([place]) for place in library.always)
            raise TrialError(
                "no candidate predicts within budget.latency\n"
                f"The fastest needs {fastest:.3g} ms a review, and {costs.limit} are allowed. Raise budget.latency"
            )
        form = forms(setup.task, judged.metric, judged.answers[0].shape[1], library)
        picked = form.pick(crossings)
        final = _calibrated(crossings, picked)
        fitted = crossings[0].fit(final)
        names = [candidates[place].name for place in fitted.members]
        weights = [float(fitted.weights[place]) for place in fitted.members]
        layers, decision = layers_of(fitted)
        models = [bench.saved(name) for name in names]
        return Fitted(
            average.combine(models, layers, name="member") if layers else models[0],
            _evaluated(bench, crossings, form, calibrated=final is not picked),
            {
                **{f"{MEMBER}{name}": round(weight, 3) for name, weight in zip(names, weights, strict=True)},
                FORM: name_of(picked),
                **({TEMPERATURE: round(fitted.temperature, 3)} if isinstance(fitted, Tempered) else {}),
            },
            comparable=self.members[0][0].ranked_by + judged.sign * Choice(form).lead(crossings),
            decision=tuple(decision),
        )


def layers_of(fitted: Combination) -> tuple[list[Any], list[float]]:
    """Return the layers that combine the members' answers, [] for a single member, and the biases of the decision."""
    weights = [float(fitted.weights[place]) for place in fitted.members]
    temperature, biases = 1.0, np.zeros(0)
    while isinstance(fitted, Tempered | Biased):
        if isinstance(fitted, Tempered):
            temperature *= fitted.temperature
        else:
            biases = fitted.biases
        fitted = fitted.inner
    layers: list[Any] = []
    if isinstance(fitted, LogMean):
        layers.append(average.LogMean(weights, fitted.biases.tolist(), name="combination"))
    elif len(weights) > 1:
        layers.append(average.WeightedMean(weights, name="combination"))
    if temperature != 1.0:
        layers.append(average.LogMean([1 / temperature], [], name="label"))
    # The biases were fitted before the temperature divides the logarithms.
    return layers, (biases / temperature).tolist()


def name_of(form: Combiner) -> str:
    """Return the name of a form: 'greedy', 'bagged', 'stacked', and what it does to labels or probabilities."""
    if isinstance(form, WithBiases):
        return f"{name_of(form.form)}, decision by class"
    if isinstance(form, WithTemperature):
        return name_of(form.form)
    return type(form).__name__.lower()


def _calibrated(crossings: Sequence[Crossing], form: Combiner) -> Combiner:
    """Return the form with a temperature, if its crossed loss is clearly better; a temperature changes no label."""
    task = crossings[0].judged.task
    if not task.has_probabilities or isinstance(form, WithTemperature):
        return form
    gain, error = gain_of(crossings, WithTemperature(form), form, metric=task.smooth)
    return WithTemperature(form) if gain > CLEAR * error else form


def _evaluated(bench: Bench, crossings: Sequence[Crossing], form: BestForm, *, calibrated: bool) -> Trained:
    """Return the means of the metrics and of the crossed answers over the divisions."""
    answering: Combiner = WithTemperature(form) if calibrated else form
    evaluated = [bench.evaluate_answers(crossing.answers(answering), crossing.decided(form)) for crossing in crossings]
    validation = {name: float(np.mean([one.validation[name] for one in evaluated])) for name in evaluated[0].validation}
    answers = np.mean([one.probabilities for one in evaluated], axis=0)
    return replace(evaluated[0], validation=validation, probabilities=answers)
