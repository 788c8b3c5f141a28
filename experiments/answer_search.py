"""One search of `answer.py`, in a process of its own with the code that PYTHONPATH names, and what is kept of it.

It runs with the code of this checkout and with that of an earlier one: it uses only what both have.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

# What is the same on both sides and only takes time: fine-tuning, and second seeds, which measure a spread.
SETTINGS = ("budget.time=null", "tier2.finalists=0", "training.seeds=1", "evidence=0")
LABELS = "label-"  # prefix of the predicted labels of a candidate
MEMBER = "ensemble/"  # prefix of an ensemble's members in its hyperparameters
ANSWERS = "answer-"  # prefix of the out-of-fold answers of a candidate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--code", type=Path, required=True, help="the checkout that automm is imported from")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--set", nargs="+", required=True, metavar="KEY=VALUE", help="of the experiment")
    parser.add_argument("--runs-dir", type=Path, required=True, help="a run in it is resumed")
    parser.add_argument("--row", type=Path, required=True, help="a JSON file for the figures")
    parser.add_argument("--test", type=Path, required=True, help="an npz file for the answers for the test split")
    parser.add_argument("--folds", type=Path, required=True, help="an npz file for all out-of-fold answers")
    arguments = parser.parse_args()

    from rich.console import Console

    import automm
    from automm.cli.progress import ConsoleReporter
    from automm.config.experiment import load_experiment
    from automm.search.run import run_search
    from automm.search.setup.data import load
    from automm.tracking.protocol import NoTracker
    from automm.tracking.run_folder import all_runs

    if Path(automm.__file__).parent.parent != arguments.code:
        raise SystemExit(f"automm is imported from {automm.__file__}, not from {arguments.code}")
    experiment = load_experiment(arguments.manifest, [*SETTINGS, f"seed={arguments.seed}", *arguments.set])
    metric = experiment.objective.removeprefix("val_")
    reporter = ConsoleReporter(Console(stderr=True, width=140), experiment.budget.trials, metric)
    begun = next(all_runs(arguments.runs_dir), None)
    ended = begun is not None and (begun.folder / "result.json").is_file()
    run = begun if ended else run_search(experiment, arguments.runs_dir, NoTracker(), reporter, resume=begun)
    spent = {"seconds": round(run.read("spent.json")["seconds"], 1)}
    if begun is None:
        spent["cpu_seconds"] = round(time.process_time(), 1)
    loaded = load(experiment)
    rows = loaded.splits["test"]
    keep_folds(run, experiment, len(loaded.dataset.labels), arguments.folds)
    keep_test(run, np.array([loaded.dataset.reviews[row].id for row in rows]), loaded.links.units[rows], arguments.test)
    row = {**spent, **figures(run), "rows": {name: len(some) for name, some in loaded.splits.items()}}
    arguments.row.write_text(json.dumps(row) + "\n", encoding="utf-8")


def figures(run: Any) -> dict[str, Any]:
    """Return the choice, and the validation and test figures of all candidates that have them."""
    result = run.read("result.json")
    ended = [one for one in run.candidates() if one.status == "COMPLETED"]
    chosen = {one.name: one for one in ended}[result["best"]]
    weights = chosen.point.items()
    members = {name.removeprefix(MEMBER): weight for name, weight in weights if name.startswith(MEMBER)}
    described = run.read("manifest.json")["encoders"]
    return {
        "choice": {
            "name": chosen.name,
            "kind": chosen.kind,
            "members": members,
            "form": chosen.hyperparameters.get("combiner/form", "greedy" if members else ""),
            "decision": bool(decision_of(chosen)),
            "hyperparameters": chosen.point,
        },
        "encoders": {modality: [one["name"] for one in some] for modality, some in described.items()},
        "objective": result["objective"].removeprefix("val_"),
        "evaluation": chosen.evaluation,
        "selection": result["selection"],
        "kinds": {one.name: one.kind for one in ended},
        "read_words": [one.name for one in ended if one.name == "bag_of_words" or one.point.get("words/width")],
        "ranked_by": {one.name: one.ranked_by for one in ended if one.score is not None},
        "validation": {one.name: one.validation for one in ended},
        "test": result["test"],
        "candidate_seconds": {one.name: round(one.seconds, 1) for one in ended},
        "failed": {one.name: one.error.split("\n")[0] for one in run.candidates() if one.status != "COMPLETED"},
    }


def decision_of(candidate: Any) -> list[float]:
    """Return the biases of the classes; earlier code has none."""
    return getattr(candidate, "decision", [])


def keep_test(run: Any, ids: np.ndarray, units: np.ndarray, to: Path) -> None:
    """Save the test reviews, the choice's probabilities, and the labels that all candidates of the result predict.

    `plain` has the labels of the choice without its decision.
    """
    result = run.read("result.json")
    tested, targets, found, labels = answers_of_test(run)
    if not np.array_equal(tested, ids):
        raise SystemExit("the test split was not read in the order of the rows that it has now")
    for name, predicted in labels.items():
        if abs(float((predicted == targets).mean()) - result["test"][name]["accuracy"]) > 1e-6:
            raise SystemExit(f"{name}: the labels are not those that the search measured")
    np.savez_compressed(
        to,
        ids=ids,
        units=units,
        targets=targets,
        probabilities=found[result["best"]],
        plain=labels_of(found[result["best"]], []),
        **{f"{LABELS}{name}": predicted for name, predicted in labels.items()},
    )


def answers_of_test(run: Any) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the ids and the targets of the test split, and the probabilities and the labels of each candidate."""
    earlier = run.folder / "test_predictions.npz"
    if not earlier.is_file():
        from automm.tracking.packed_answers import TEST, PackedAnswers

        packed = PackedAnswers.read(run, TEST)
        return packed.rows.ids, packed.rows.targets, packed.answers, packed.labels
    biases = {one.name: decision_of(one) for one in run.candidates()}
    with np.load(earlier, allow_pickle=False) as saved:
        found = {name: saved[name] for name in saved.files}
    ids, targets = found.pop("ids"), found.pop("labels")
    return ids, targets, found, {name: labels_of(answers, biases[name]) for name, answers in found.items()}


def labels_of(answers: np.ndarray, biases: list[float]) -> np.ndarray:
    """Return the labels of probabilities, (n, labels) to (n,) int16."""
    if len(biases):
        from automm.evaluate.decision import decisions

        answers = decisions(answers, biases)
    return answers.argmax(axis=1).astype(np.int16)


def keep_folds(run: Any, experiment: Any, labels: int, to: Path) -> None:
    """Save the answers of the candidates that can be members for the judged reviews, best first, and their weights."""
    from automm.search.training.losses import LOSSES
    from automm.search.training.options import Options
    from automm.tracking.run_folder import rank

    judged = run.judged_rows()
    options = Options(class_weights=experiment.training.class_weights)
    weights = LOSSES["cross_entropy"].weights(judged.targets, np.arange(len(judged)), labels, options)
    members = [
        one.name
        for one in rank(run.candidates(), experiment.direction)
        if one.kind != "ensemble" and one.name != "majority" and run.model_path(one.name).is_file()
    ]
    answers = {f"{ANSWERS}{name}": run.predictions(name) for name in members}
    np.savez_compressed(to, units=judged.units, targets=judged.targets, weights=weights, **answers)
