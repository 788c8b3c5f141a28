"""What the searches of `answer.py` found, compared, without TensorFlow; `answer_tables.py` prints it.

The test reviews of all seeds of a data set are pooled; intervals resample units, and a review in the test split of
several seeds is in one unit. A data set's best baseline is the one that was best on validation, chosen for each seed
again. Holm's correction (1979, Scandinavian Journal of Statistics 6) is over the data sets of one comparison. Over all
data sets, differences are averaged with equal weights; the standard error is that of independent data sets, and says
nothing about data sets that are not here. The second interval does: its unit is the data set.

What a member contributes is measured out of fold: the crossed score of the ensemble's whole selection, with its forms
and the decision, minus that of the selection without these members. For the means over seeds, the standard errors are
averaged: the reviews of the seeds are mostly the same.
"""

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from answer_search import ANSWERS, LABELS
from scipy.stats import t as student

from automm.evaluate.combine import BestSingle, Crossing, Judged, divisions
from automm.evaluate.compare import freedom_of, jackknifed, places_of, standard_error, unit_sums
from automm.evaluate.comparisons.paired import holm
from automm.evaluate.ensembles import BestForm, Greedy, Library, WithBiases, forms, gain_of
from automm.tasks.registry import TASKS

TASK, METRIC = TASKS["classification"], "macro_f1"
BEFORE, AFTER = "before", "after"
# The logistic regression on everything is the first of these that a search has.
EVERYTHING = ("logistic_all_encoders", "logistic_all", "logistic_both", "logistic_text", "logistic_image")
LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """A difference of two candidates, or a mean of differences.

    Attributes:
        value: of the first minus the second.
        error: its standard error.
        freedom: of the t distribution of value / error.
    """

    value: float
    error: float
    freedom: float

    @property
    def half(self) -> float:
        """Half of the 95 % interval."""
        return float(student.ppf(0.975, self.freedom)) * self.error

    @property
    def p(self) -> float:
        """The two-sided p-value."""
        if self.error == 0:
            return float(self.value == 0)
        return float(2 * student.sf(abs(self.value) / self.error, self.freedom))

    @classmethod
    def of_means(cls, differences: Sequence["Difference"]) -> "Difference":
        """Return the mean of independent differences; its degrees of freedom are those of Welch."""
        parts = np.array([one.error**2 for one in differences])
        freedom = np.array([one.freedom for one in differences])
        total, count = float(parts.sum()), len(differences)
        value = float(np.mean([one.value for one in differences]))
        return cls(value, total**0.5 / count, total**2 / float((parts**2 / freedom).sum()) if total else 1.0)

    @classmethod
    def of_sample(cls, values: Sequence[float]) -> "Difference":
        """Return the mean of a sample."""
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5, len(values) - 1.0)


@dataclass(frozen=True)
class Search:
    """One search: its row, and its answers for the test split."""

    row: Mapping[str, Any]
    file: Path

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.file, allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}

    @property
    def choice(self) -> str:
        return str(self.row["choice"]["name"])

    @property
    def best_baseline(self) -> str:
        """The hand-built baseline with the best score on validation."""
        scores = {name: score for name, score in self.row["ranked_by"].items() if self.row["kinds"][name] == "baseline"}
        return max(scores, key=lambda name: scores[name])

    @property
    def logistic(self) -> str:
        """The logistic regression on everything."""
        return next(name for name in EVERYTHING if name in self.row["kinds"])

    @property
    def plain(self) -> np.ndarray:
        """The labels of the choice without its decision, (n,)."""
        return self.arrays["plain"]

    def labels(self, name: str) -> np.ndarray:
        """Return the labels that a candidate predicted for the test reviews, (n,)."""
        return self.arrays[f"{LABELS}{name}"]

    def test(self, name: str) -> float:
        return float(self.row["test"][name][METRIC])


Read = Callable[[int], np.ndarray]  # from a seed to labels for the test reviews of that seed


@dataclass(frozen=True)
class DataSet:
    """The searches of one data set by seed."""

    after: Mapping[int, Search]
    before: Mapping[int, Search]

    def against_before(self) -> Difference | None:
        """Return the answer minus that of the code before, on the seeds that have both; None without any."""
        both = [seed for seed in self.after if seed in self.before]
        for seed in both:
            if not np.array_equal(self.after[seed].arrays["ids"], self.before[seed].arrays["ids"]):
                raise SystemExit(f"the two sides have other test reviews for seed {seed}: did the data change?")
        theirs = {seed: self.before[seed].labels(self.before[seed].choice) for seed in both}
        return self._minus(both, lambda seed: theirs[seed]) if both else None

    def against_baseline(self) -> Difference:
        return self._minus(list(self.after), lambda seed: self.after[seed].labels(self.after[seed].best_baseline))

    def against_logistic(self) -> Difference:
        return self._minus(list(self.after), lambda seed: self.after[seed].labels(self.after[seed].logistic))

    def against_plain(self) -> Difference:
        """Return the answer minus the same without its decision."""
        return self._minus(list(self.after), lambda seed: self.after[seed].plain)

    def _minus(self, seeds: Sequence[int], theirs: Read) -> Difference:
        arrays = [self.after[seed].arrays for seed in seeds]
        ours = [self.after[seed].labels(self.after[seed].choice) for seed in seeds]
        outputs = arrays[0]["probabilities"].shape[1]
        ids, units, targets = (np.concatenate([each[key] for each in arrays]) for key in ("ids", "units", "targets"))
        if len({*zip(ids.tolist(), units.tolist(), strict=True)}) != len({*ids.tolist()}):
            raise SystemExit("the seeds have linked the reviews differently: was the data changed between them?")
        return paired(targets, np.concatenate(ours), np.concatenate([*map(theirs, seeds)]), units, outputs)


def paired(targets: np.ndarray, first: np.ndarray, second: np.ndarray, units: np.ndarray, outputs: int) -> Difference:
    """Return the difference of two candidates in macro-F1.

    Args:
        targets, first, second: (n,) true labels, and those that the candidates predict.
        units: (n,) int64, the resampling unit of each review.
        outputs: the number of labels.
    """
    places, eye = places_of(units), np.eye(outputs, dtype=np.float32)
    ours, theirs = (
        jackknifed(TASK, METRIC, unit_sums(TASK, METRIC, targets, eye[labels], places)) for labels in (first, second)
    )
    without = ours[1] - theirs[1]
    return Difference(ours[0] - theirs[0], standard_error(without), freedom_of(without))


def contributions(judged: Judged, kinds: Mapping[str, set[int]], seed: int) -> dict[str, tuple[float, float]]:
    """Return by how much the selection of an ensemble is better than a smaller one, with the standard error of that.

    Args:
        judged: the candidates that may be members, best first.
        kinds: the candidates of each kind, by its name.

    Returns:
        By what is left out: members of a kind; `decision`, the biases by class; `forms`, all but the plain greedy one;
        `ensemble`, all but the best single candidate.
    """
    rng = np.random.default_rng(seed)  # the divisions of the search
    crossings = [Crossing.drawn(judged, rng) for _ in range(divisions(judged))]
    everything = range(len(judged.answers))

    def selection(places: Sequence[int]) -> BestForm:
        return forms(judged.task, judged.metric, judged.answers[0].shape[1], Library(tuple(places)))

    whole = selection(everything)
    undecided = BestForm(tuple(form for form in whole.forms if not isinstance(form, WithBiases)))
    smaller: dict[str, Any] = {
        kind: selection([place for place in everything if place not in places])
        for kind, places in kinds.items()
        if 0 < len(places) < len(judged.answers)
    }
    smaller |= {
        "decision": undecided,
        "forms": BestForm((Greedy(Library(tuple(everything))),)),
        "ensemble": BestSingle(),
    }
    return {name: gain_of(crossings, whole, one) for name, one in smaller.items()}


def kind_of(name: str, kind: str) -> str:
    """Return the kind of a member, in words."""
    if name == "bag_of_words" or name == "trees":
        return name.replace("_", " ")
    if name.startswith("logistic"):
        return "logistic regressions"
    return {"trial": "trials", "fine-tuned": "fine-tuned", "baseline": "hand-built heads"}[kind]


def add_contributions(path: Path, work: Path) -> None:
    """Compute the contributions that the JSON file does not have, and keep them in it."""
    for key, row in read(path)["searches"].items():
        file = work / "folds" / f"{key.replace('/', '-')}.npz"
        if not key.startswith(AFTER) or "contributions" in row or not file.is_file():
            continue
        with np.load(file, allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in saved.files}
        answers = {name.removeprefix(ANSWERS): arrays[name] for name in arrays if name.startswith(ANSWERS)}
        kinds: dict[str, set[int]] = {}
        for place, name in enumerate(answers):
            kinds.setdefault(kind_of(name, row["kinds"][name]), set()).add(place)
        words = {place for place, name in enumerate(answers) if name in row["read_words"]}
        if words not in kinds.values():  # else only the bag of words reads them
            kinds["all that read words"] = words
        judged = Judged(
            TASK, f"val_{METRIC}", arrays["targets"], arrays["units"], list(answers.values()), arrays["weights"]
        )
        found = contributions(judged, kinds, int(key.split("/")[2]))
        with changed(path) as result:
            result["searches"][key]["contributions"] = found
        print(f"{key}: contributions computed", flush=True)


def data_sets(path: Path) -> dict[str, DataSet]:
    """Return the measured data sets that have an answer of the present code."""
    found: dict[str, dict[str, dict[int, Search]]] = {}
    for key, row in read(path)["searches"].items():
        side, name, seed = key.split("/")
        file = path.with_suffix("") / f"{key.replace('/', '-')}.npz"
        found.setdefault(name, {BEFORE: {}, AFTER: {}})[side][int(seed)] = Search(row, file)
    return {name: DataSet(sides[AFTER], sides[BEFORE]) for name, sides in found.items() if sides[AFTER]}


COMPARISONS: dict[str, Callable[[DataSet], Difference | None]] = {
    "code before": DataSet.against_before,
    "best baseline": DataSet.against_baseline,
    "logistic regression": DataSet.against_logistic,
    "without its decision": DataSet.against_plain,
}


def compared(sets: Mapping[str, DataSet]) -> dict[str, dict[str, Any]]:
    """Return for each comparison the differences by data set, their corrected p-values, and their means."""
    found = {}
    for against, compare in COMPARISONS.items():
        by_set = {name: one for name, data in sets.items() if (one := compare(data)) is not None}
        if by_set:
            corrected = holm([one.p for one in by_set.values()])
            found[against] = {
                "sets": by_set,
                "holm": dict(zip(by_set, corrected, strict=True)),
                "mean": Difference.of_means([*by_set.values()]),
                "mean_of_sets": Difference.of_sample([one.value for one in by_set.values()])
                if len(by_set) > 1
                else None,
            }
    return found


def kept_comparisons(path: Path, work: Path) -> tuple[dict[str, DataSet], dict[str, dict[str, Any]]]:
    """Compute the contributions that are missing, and the comparisons, and keep both in the JSON file."""
    add_contributions(path, work)
    sets = data_sets(path)
    if not sets:
        raise SystemExit(f"{path} has no search of the present code. Measure some first: --which {AFTER}")
    found = compared(sets)
    with changed(path) as result:
        result["compared"] = {against: as_json(one) for against, one in found.items()}
    return sets, found


def as_json(one: Mapping[str, Any]) -> dict[str, Any]:
    means = {key: None if one[key] is None else asdict(one[key]) for key in ("mean", "mean_of_sets")}
    return {"sets": {name: asdict(each) for name, each in one["sets"].items()}, "holm": one["holm"], **means}


def read(path: Path) -> dict[str, Any]:
    """Return the content of the JSON file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"searches": {}}


@contextmanager
def changed(path: Path) -> Iterator[dict[str, Any]]:
    """Read the JSON file, and write it as it was changed; other processes wait."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = read(path)
        yield result
        part = path.with_suffix(".part")
        part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        part.replace(path)
