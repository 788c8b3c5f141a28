"""Set up and run the AutoKeras search, in the process that owns the oracle and in every worker."""

from collections.abc import Callable
from typing import Any

import numpy as np

from automm.search.autokeras.tuner import Session, Trials, build_search
from automm.search.bench import Bench
from automm.search.space.portfolio import portfolio, share_of


def tune(
    bench: Bench,
    trials: Trials,
    folder: str,
    *,
    session: Session | None = None,
    serve: Callable[[Any], None] | None = None,
) -> None:
    """Propose trials and train them until the budget or the space is used up.

    Args:
        bench: the bench on which `trials` fits.
        folder: the folder of KerasTuner's files, relative to the run folder.
        session: the session in the process that owns the oracle; None in a worker.
        serve: called instead of training here; runs the trials in other processes (`tuner.HarnessTuner`).
    """
    experiment, setup = bench.setup.experiment, bench.setup
    model = build_search(
        trials,
        session=session,
        space=bench.space,
        task=setup.task,
        tuner=experiment.tuner,
        objective=experiment.objective,
        seed=experiment.seed,
        folder=bench.run.folder / folder,
        portfolio=portfolio(bench.space, bench.without_effect)[: share_of(experiment.budget.trials)]
        if experiment.portfolio
        else (),
        epochs=experiment.training.epochs,
        encoders=bench.layers.encoders,
        columns=setup.dataset.manifest.towers(experiment.inputs),
    )
    model.tuner.serve = serve
    inputs, targets = {}, {}
    for split in ("train", "validation"):
        rows = setup.rows(split)
        # AutoKeras reads only shapes and dtypes. A broadcast review has the shape of all and takes no memory.
        review = setup.arrays.batch(rows[:1])
        arrays = [review[node.name] for node in model.inputs]
        inputs[split] = [np.broadcast_to(array, (len(rows), *array.shape[1:])) for array in arrays]
        targets[split] = np.zeros((len(rows), setup.outputs), np.float32)
    model.fit(
        inputs["train"],
        targets["train"],
        validation_data=(inputs["validation"], targets["validation"]),
        verbose=0,
    )
