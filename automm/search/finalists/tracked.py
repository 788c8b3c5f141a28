"""Send the test scores, plots and models of finalists and baselines to the tracker."""

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automm.deliver import mlflow_model
from automm.deliver.bundle import write_bundle
from automm.evaluate import plots
from automm.paths import runs_flag
from automm.search.finalists.parity import Checked
from automm.search.session import Search
from automm.tracking.results import fold_curves, missing_curves
from automm.tracking.run_folder import Candidate

log = logging.getLogger("automm")


def track(
    search: Search,
    checked: Sequence[Checked],
    others: Sequence[Candidate],
    answers: Mapping[str, np.ndarray],
    result: dict[str, Any],
) -> None:
    """Track the scores and plots of all candidates that read the test split, and the models of the finalists.

    If the time limit is reached, only the model of the best finalist is tracked.

    Args:
        answers: (test rows, outputs) by name.
    """
    setup = search.setup
    work = Path(tempfile.mkdtemp(prefix="automm-"))
    try:
        for candidate in [*(finalist.candidate for finalist in checked), *others]:
            figure = plots.FIGURES[setup.task.figure](
                setup.targets("test"), answers[candidate.name], setup.labels, work
            )
            pictures = {f"plots/{figure.name}": figure}
            if candidate.history:
                pictures["plots/learning_curves.png"] = plots.learning_curves(
                    candidate.history, candidate.best_epoch, work / "learning_curves.png"
                )
            curves = missing_curves(result, candidate.name) | fold_curves(result, candidate.name)
            search.tracker.test(candidate.name, result["test"][candidate.name], pictures, curves)
        for place, finalist in enumerate(checked):
            if place and search.budget.is_over():
                rest = ", ".join(other.candidate.name for other in checked[place:])
                log.warning(
                    "budget.time is used up, so MLflow does not get the models of %s. Export them: automm export %s "
                    "--trial NAME --to DIR",
                    *(rest, search.run.name + runs_flag(search.run.folder.parents[1])),
                )
                break
            search.reporter.step("models logged", place, len(checked))
            folder = work / finalist.candidate.name
            write_bundle(folder, search.run, finalist.candidate, finalist.whole)
            search.tracker.model(finalist.candidate.name, folder, Path(mlflow_model.__file__))
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
