"""Rank the candidates of all runs, as recorded in the run folders."""

import csv
import io
from pathlib import Path
from typing import Any

from automm.errors import ConfigError, NotFoundError, nearest
from automm.paths import runs_flag
from automm.tasks.base import LARGER
from automm.tasks.registry import all_metrics, all_objectives
from automm.tracking.run_folder import COMPLETED, COPIES, PILOT, SEED, Candidate, Run, all_runs, is_partial

COLUMNS = (
    "rank",
    "run",
    "experiment",
    "name",
    "kind",
    "proposed_by",
    "tier",
    "status",
    "objective",
    "evaluation",
    "subsample",
    "optimism",
    "ranked_by",
    "seed_spread",
    "validation",
    "test",
    "folds",
    "parameters",
    "milliseconds",
    "seconds",
)

Row = dict[str, Any]


def leaderboard(
    runs_dir: Path, experiment: str | None = None, metric: str | None = None, *, run: Run | None = None
) -> list[Row]:
    """Rank the candidates of each experiment by a validation metric.

    Test metrics are no ranking metrics: choosing by the test split would make it a validation split.

    Args:
        experiment: its name; None for all.
        metric: None for the objective of the runs.
        run: rank only the candidates of this run.

    Returns:
        Rows by experiment {rank, run, experiment, name, kind, proposed_by, tier, status, objective, evaluation,
        subsample, optimism, ranked_by, seed_spread, validation, test, folds, parameters, milliseconds, seconds, error}.
        Candidates without a rank come behind the ranked ones: pilots, second seeds and copies; then failed ones.
        `proposed_by` is as in `Candidate`. `subsample` is the share of the reviews that the run used, null for all.
        `optimism` is the selection bias of the objective of a run's best candidate, null for the others. `ranked_by` is
        `Candidate.comparable`, null if the rank is by the candidate's own score of the metric. `seed_spread` is the
        largest minus the smallest score of the objective over the seeds, null if a candidate was trained with one.
        `folds` is {count, frozen, mean: {...}, deviation: {...}} over the test parts of a manifest's cross-validation
        folds, null if a candidate is not a finalist. `frozen`: the encoders of a fine-tuned candidate were frozen in
        this measurement. `milliseconds` is the time that the whole model of a finalist needed to predict a review, null
        for other candidates.

    Raises:
        NotFoundError: there is no run.
        ConfigError: an unknown metric, a metric that a run does not have, or an experiment with different objectives
            and no metric.
    """
    runs = [run] if run else list(all_runs(runs_dir, experiment))
    if not runs:
        known = sorted({run.experiment for run in all_runs(runs_dir)})
        missing = f"no experiment {experiment!r}" if experiment else "no runs"
        hint = (
            f"Experiments: {', '.join(known)}" if known else f"Start one: automm search MANIFEST{runs_flag(runs_dir)}"
        )
        raise NotFoundError(f"{missing} under {runs_dir}. {hint}")
    by_experiment: dict[str, list[Row]] = {}
    for one in runs:
        result, data = one.read("result.json"), one.read("manifest.json")
        rows = [_row(one, candidate, result, data) for candidate in one.candidates()]
        by_experiment.setdefault(one.experiment, []).extend(rows)
    return [row for name in sorted(by_experiment) for row in _ranked(by_experiment[name], metric)]


def _ranked(rows: list[Row], metric: str | None) -> list[Row]:
    """Rank the rows of one experiment: the best first, then those that have no rank, and failed candidates last."""
    chosen = _metric(rows, metric)
    sign = -1.0 if all_metrics()[chosen].direction == LARGER else 1.0
    for row in rows:
        if row["objective"].removeprefix("val_") != chosen:
            row["ranked_by"] = None
    done = [row for row in rows if row["status"] == COMPLETED]
    if others := sorted({row["run"] for row in done if chosen not in row["validation"]}):
        raise ConfigError(
            f"metric {chosen} was not computed in runs {', '.join(others)}. Name another --metric or experiment"
        )
    names = {(row["run"], row["name"]) for row in done}

    def is_apart(row: Row) -> bool:
        return row["kind"] in (SEED, PILOT) or (row["run"], COPIES.get(row["name"])) in names

    def key(row: Row) -> tuple[bool, float, bool, int]:
        value = row["validation"][chosen] if row["ranked_by"] is None else row["ranked_by"]
        return is_partial(row["evaluation"]), sign * value, row["kind"] != "ensemble", row["parameters"]

    done.sort(key=key)
    ranked = [row for row in done if not is_apart(row)]
    for place, row in enumerate(ranked, 1):
        row["rank"] = place
    return [*ranked, *filter(is_apart, done), *(row for row in rows if row["status"] != COMPLETED)]


def to_csv(rows: list[Row]) -> str:
    """Return the rows as CSV, with one column for each split and metric."""
    flat = []
    scored = [row["validation"] for row in rows if row["validation"]]
    metrics = [name for name in all_metrics() if any(name in scores for scores in scored)]
    for row in rows:
        entry = {key: value for key, value in row.items() if key not in ("validation", "test", "folds")}
        for split in ("validation", "test"):
            entry |= {f"{split}_{metric}": (row[split] or {}).get(metric) for metric in metrics}
        if any(other["folds"] for other in rows):
            folds = row["folds"] or {"mean": {}, "deviation": {}}
            entry |= {f"folds_{key}": folds.get(key) for key in ("count", "frozen")}
            entry |= {f"folds_{key}_{m}": folds[key].get(m) for key in ("mean", "deviation") for m in metrics}
        flat.append(entry)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(flat[0]) if flat else list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return buffer.getvalue()


def _row(run: Run, candidate: Candidate, result: dict[str, Any], data: dict[str, Any]) -> Row:
    picked = candidate.name == result.get("best")
    return {
        "rank": None,
        "run": run.name,
        "experiment": run.experiment,
        "name": candidate.name,
        "kind": candidate.kind,
        "proposed_by": candidate.proposed_by,
        "tier": candidate.tier,
        "status": candidate.status,
        "objective": candidate.objective,
        "evaluation": candidate.evaluation,
        "subsample": data.get("subsample"),
        "optimism": (result.get("selection") or {}).get("optimism") if picked else None,
        "ranked_by": candidate.comparable,
        "seed_spread": result.get("seeds", {}).get(candidate.name, {}).get("spread"),
        "validation": candidate.validation,
        "test": result.get("test", {}).get(candidate.name),
        "folds": _folds(result, candidate.name),
        "parameters": candidate.parameters,
        "milliseconds": result.get("parity", {}).get(candidate.name, {}).get("milliseconds"),
        "seconds": round(candidate.seconds, 2),
        "error": candidate.error.split("\n", 1)[0],
    }


def _folds(result: dict[str, Any], name: str) -> Row | None:
    scores = result.get("folds", {}).get("scores", {}).get(name)
    if scores is None:
        return None
    return {"count": len(scores["folds"]), **{key: scores[key] for key in ("frozen", "mean", "deviation")}}


def _metric(rows: list[Row], wanted: str | None) -> str:
    if wanted is not None:
        name = wanted.removeprefix("val_")
        legal = list(all_metrics())
        if name not in legal:
            raise ConfigError(f"--metric {wanted}: unknown metric.{nearest(name, legal)} Legal: {', '.join(legal)}")
        return name
    objectives = {row["objective"] for row in rows if row["objective"]}
    if len(objectives) > 1:
        raise ConfigError(
            f"the runs of {rows[0]['experiment']} have different objectives: {', '.join(sorted(objectives))}. Name a "
            "--metric"
        )
    return next(iter(objectives), next(iter(all_objectives()))).removeprefix("val_")
