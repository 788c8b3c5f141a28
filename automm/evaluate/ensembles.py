"""Select the members of an ensemble, and the form in which their answers are combined.

The forms are greedy selection by the smooth loss, greedy selection by the metric in bags (both Caruana,
Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection from libraries of models"), and a stacked logistic regression
on logarithms of probabilities (Wolpert 1992) with one coefficient for each member. A form may decide labels with a bias
for each class, or calibrate its probabilities (`evaluate/decision`). The form is a part of the choice: it is chosen
again wherever the choice is repeated without some of the reviews.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController

from automm.evaluate.combinations import Biased, Combination, LogMean, Mean, Tempered
from automm.evaluate.combine import NOTHING, BestSingle, Combiner, Crossing, Judged
from automm.evaluate.compare import standard_error
from automm.evaluate.decision import MOST_CLASSES, fit_biases, fit_temperature, logs
from automm.tasks.base import LARGER, Task

PICKS = 20
MEMBERS = 8  # distinct ones, at most
BAGS, BAG_PICKS = 4, 6
# Standard errors by which a form must be better than the first one: without labels that can be predicted, the largest
# of five gains is beyond 2 of them in fewer than 5 of 100 searches (tests/unit/test_ensembles.py).
CLEAR = 2.0
LEAST = 0.01  # the smallest coefficient: without any member, there would be no answers
PENALTY = 1.0  # of the squared coefficients, as scikit-learn's C = 1


@dataclass(frozen=True)
class Costs:
    """What predicting with members costs, in milliseconds a review. An encoder that several members read runs once.

    Attributes:
        own: of each candidate's own layers.
        encoders: the encoders that each candidate reads.
        of_encoder: by the encoder, as pairs, to be hashable.
        limit: the most that an ensemble may cost; None: any.
    """

    own: tuple[float, ...]
    encoders: tuple[frozenset[str], ...]
    of_encoder: tuple[tuple[str, float], ...]
    limit: float | None = None

    def of(self, members: Iterable[int]) -> float:
        """Return the cost of an ensemble of these candidates."""
        members = set(members)
        read = set().union(*(self.encoders[place] for place in members))
        return sum(self.own[place] for place in members) + sum(cost for name, cost in self.of_encoder if name in read)

    def within(self, members: Iterable[int]) -> bool:
        return self.limit is None or self.of(members) <= self.limit


@dataclass(frozen=True)
class Library:
    """The candidates that an ensemble is selected from.

    Attributes:
        always: the candidates that may be members.
        others: candidates of which only the `best` by the objective may be members, because other models are not kept.
        costs: bound the cost of an ensemble; None: no bound.
    """

    always: tuple[int, ...]
    others: tuple[int, ...] = ()
    best: int = 0
    costs: Costs | None = None

    def allowed(self, crossing: Crossing, left_out: frozenset[int]) -> list[int]:
        """Return the candidates that may be members, given the reviews that are not left out."""
        alone = set(self.may_join(set()))
        scores = crossing.judged.sign * crossing.scores(left_out)
        best = sorted(alone.intersection(self.others), key=lambda place: (-scores[place], place))[: self.best]
        return sorted((*alone.intersection(self.always), *best))

    def may_join(self, members: set[int]) -> list[int]:
        """Return the candidates that may join some members, or have another pick."""
        places = (*self.always, *self.others)
        if len(members) >= MEMBERS:
            return sorted(members)
        if self.costs is None:
            return sorted(places)
        return [place for place in sorted(places) if place in members or self.costs.within({*members, place})]


@dataclass(frozen=True)
class Greedy:
    """Greedy forward selection with replacement.

    Each step adds the member that minimises the loss of the mean answers. The loss is smooth; the number of correct
    answers in few reviews is mostly chance. If the objective counts all classes equally, the loss has the class weights
    of the candidates.
    """

    library: Library

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Mean:
        judged, rows = crossing.judged, crossing.rows(left_out)
        inputs = judged.smooth_inputs[:, rows]
        weights = None if judged.weights is None else judged.weights[rows]
        allowed = set(self.library.allowed(crossing, left_out))
        counts, total = np.zeros(len(inputs)), np.zeros_like(inputs[0])
        best, least = counts.copy(), np.inf
        for size in range(1, PICKS + 1):
            places = [one for one in self.library.may_join(set(np.flatnonzero(counts).tolist())) if one in allowed]
            if not places:
                break
            losses = judged.task.smooth_loss((total + inputs[places]) / size, weights)
            place = places[int(np.argmin(losses))]
            counts[place] += 1
            total += inputs[place]
            if losses.min() < least:
                best, least = counts.copy(), float(losses.min())
        return Mean(best / best.sum())


@dataclass(frozen=True)
class Bagged:
    """Greedy forward selection by the objective itself, in BAGS bags of half the candidates each.

    The shares are those in all bags together. Selection from all candidates at once would find the members whose
    mistakes happen to cancel in these reviews.
    """

    library: Library

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Mean:
        judged, rows = crossing.judged, crossing.rows(left_out)
        allowed = self.library.allowed(crossing, left_out)
        rng = np.random.default_rng(len(allowed))
        counts = np.zeros(len(judged.answers))
        for _ in range(BAGS):
            bag = np.sort(rng.permutation(allowed)[: -(-len(allowed) // 2)])
            counts += self._selected(judged, rows, bag)
        kept: set[int] = set()
        for place in np.argsort(-counts, kind="stable").tolist():
            if counts[place] and place in self.library.may_join(kept):
                kept.add(place)
        counts[[place for place in range(len(counts)) if place not in kept]] = 0
        return Mean(counts / counts.sum())

    def _selected(self, judged: Judged, rows: np.ndarray, bag: np.ndarray) -> np.ndarray:
        """Return how often each candidate is picked, (candidates,), up to the best mean."""
        answers = np.stack([judged.answers[place][rows] for place in bag])
        counts, total = np.zeros(len(judged.answers)), np.zeros_like(answers[0])
        best, most = counts.copy(), -np.inf
        for _ in range(BAG_PICKS):
            joining = self.library.may_join(set(np.flatnonzero(counts).tolist()))
            open_places = np.flatnonzero(np.isin(bag, joining))
            if not len(open_places):
                break
            scores = objectives(judged, rows, (total + answers[open_places]) / (counts.sum() + 1))
            pick = int(open_places[np.argmax(scores)])
            counts[bag[pick]] += 1
            total += answers[pick]
            if scores.max() > most:
                best, most = counts.copy(), float(scores.max())
        return best


@dataclass(frozen=True)
class Stacked:
    """A logistic regression on the logarithms of the probabilities of the greedily selected members.

    It has a coefficient for each member and a bias for each class; they are shrunk towards a plain mean of logarithms.
    """

    greedy: Greedy

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> LogMean:
        judged, rows = crossing.judged, crossing.rows(left_out)
        members = crossing.fit(self.greedy, left_out).members
        inputs = np.stack([logs(judged.answers[place][rows]) for place in members])
        found, biases = fit_stack(
            inputs, judged.targets[rows], None if judged.weights is None else judged.weights[rows]
        )
        coefficients = np.zeros(len(judged.answers))
        coefficients[members] = found
        return LogMean(coefficients, biases)


@dataclass(frozen=True)
class WithTemperature:
    """A form with calibrated probabilities."""

    form: Combiner

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Tempered:
        judged, rows = crossing.judged, crossing.rows(left_out)
        inner = crossing.fit(self.form, left_out)
        temperature = fit_temperature(judged.task, judged.targets[rows], inner.answers(judged.answers, rows))
        return Tempered(inner, temperature)


@dataclass(frozen=True)
class WithBiases:
    """A form whose labels are decided with a bias for each class."""

    form: Combiner

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Biased:
        judged, rows = crossing.judged, crossing.rows(left_out)
        inner = crossing.fit(self.form, left_out)
        answers = inner.answers(judged.answers, rows)
        return Biased(inner, fit_biases(judged.task, judged.metric, judged.targets[rows], answers))


@dataclass(frozen=True)
class BestForm:
    """The form with the best crossed score among those that are clearly better than the first; else the first."""

    forms: tuple[Combiner, ...]

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Combination:
        return crossing.fit(self.pick([crossing], left_out), left_out)

    def pick(self, crossings: Sequence[Crossing], left_out: frozenset[int] = NOTHING) -> Combiner:
        """Return the form.

        Args:
            crossings: divisions of the same units, of which the mean is taken.
        """
        best, most = self.forms[0], 0.0
        for form in self.forms[1:]:
            gain, error = gain_of(crossings, form, self.forms[0], left_out)
            if gain > most and gain > CLEAR * error:  # never if the error is not known (NaN)
                best, most = form, gain
        return best


@dataclass(frozen=True)
class Choice:
    """The ensemble, unless the best single candidate is better; a tie goes to the ensemble.

    The crossed scores of both are compared. Less than one standard error of their difference is a tie (the rule of
    Breiman, Friedman, Olshen and Stone 1984): a mean of several models varies less.
    """

    ensemble: BestForm
    single: BestSingle = field(default=BestSingle())

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Combination:
        return crossing.fit(self.ensemble if self.lead([crossing], left_out) >= 0 else self.single, left_out)

    def lead(self, crossings: Sequence[Crossing], left_out: frozenset[int] = NOTHING) -> float:
        """Return by how much the ensemble is better, in the unit of the objective; not below 0 if it is a tie.

        Args:
            crossings: divisions of the same units, of which the mean is taken.
        """
        lead, error = gain_of(crossings, self.ensemble.pick(crossings, left_out), self.single, left_out)
        return max(lead, 0.0) if lead >= -error else lead


def forms(task: Task, metric: str, outputs: int, library: Library) -> BestForm:
    """Return the forms of an ensemble for an objective, the simplest first.

    Args:
        metric: of the objective.
        outputs: the number of outputs of a model.
    """
    greedy = Greedy(library)
    plain: list[Combiner] = [greedy, Bagged(library)]
    if not task.has_probabilities or outputs > MOST_CLASSES:
        return BestForm(tuple(plain))
    plain.append(Stacked(greedy))
    if task.metrics[metric].of_labels:
        return BestForm((*plain, *map(WithBiases, plain)))
    return BestForm((*plain, *map(WithTemperature, plain)) if metric == task.smooth else tuple(plain))


def gain_of(
    crossings: Sequence[Crossing],
    first: Combiner,
    second: Combiner,
    left_out: frozenset[int] = NOTHING,
    metric: str = "",
) -> tuple[float, float]:
    """Return by how much the first is better in a crossed metric, and the standard error of that.

    Args:
        metric: "": that of the objective.
    """
    judged = crossings[0].judged
    sign = 1.0 if judged.task.metrics[metric or judged.metric].direction == LARGER else -1.0
    found = [crossing.difference(first, second, left_out, metric) for crossing in crossings]
    gain = sign * float(np.mean([whole for whole, _ in found]))
    return gain, standard_error(np.mean([without for _, without in found], axis=0))


def objectives(judged: Judged, rows: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return the objective of several answers for some reviews, (k, len(rows), outputs) to (k,); larger is better."""
    count, task = len(answers), judged.task
    targets = np.tile(judged.targets[rows], count)
    terms = task.terms(judged.metric, targets, answers.reshape(-1, answers.shape[-1]))
    starts = terms.size * np.repeat(np.arange(count), len(rows))[:, None]
    sums = np.bincount((terms.columns + starts).ravel(), terms.values.ravel(), terms.size * count)
    return judged.sign * task.from_sums(judged.metric, sums.reshape(count, -1).T)


@cache
def _threads() -> ThreadpoolController:
    """Return the libraries with threads: on a busy machine, those of BLAS wait for each other longer than they work."""
    return ThreadpoolController()


def fit_stack(inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression with a coefficient for each member and a bias for each class.

    Args:
        inputs: (members, n, classes), logarithms of probabilities.
        weights: (n,), of the reviews; None: all the same.

    Returns:
        Coefficients, (members,), LEAST or larger, and biases, (classes,), float64.
    """
    members, count, classes = inputs.shape
    each = np.full(count, 1.0) if weights is None else weights / weights.mean()
    true, start = np.eye(classes)[targets], np.full(members, 1 / members)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        coefficients, biases = parameters[:members], parameters[members:]
        scores = np.einsum("k,knc->nc", coefficients, inputs) + biases
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        sums = powers.sum(axis=1, keepdims=True)
        change = (powers / sums - true) * each[:, None]
        shrunk = np.concatenate([coefficients - start, biases])
        value = (each * (np.log(sums[:, 0]) - (scores * true).sum(axis=1))).sum() + 0.5 * PENALTY * shrunk @ shrunk
        gradient = np.concatenate([np.einsum("knc,nc->k", inputs, change), change.sum(axis=0)]) + PENALTY * shrunk
        return value / count, gradient / count

    bounds = [(LEAST, None)] * members + [(None, None)] * classes
    with _threads().limit(limits=1):
        found = minimize(loss, np.concatenate([start, np.zeros(classes)]), jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:members], found.x[members:]
