"""The AutoKeras search, set up the same way in the process that owns the oracle and in every worker."""

from collections.abc import Callable
from typing import Any

import numpy as np

from automm.search.autokeras.tuner import Session, Trials, build_search
from automm.search.bench import Bench
from automm.search.space.portfolio import portfolio


def tune(
    bench: Bench,
    trials: Trials,
    folder: str,
    *,
    session: Session | None = None,
    serve: Callable[[Any], None] | None = None,
) -> None:
    """Propose trials and train them, until the session's budget is used up or the space is.

    Args:
        bench: of the setup that is searched; `trials` fits on it.
        folder: KerasTuner's own files, relative to the run.
        session: of the process that owns the oracle; None in a worker.
        serve: has the trials run elsewhere; see `tuner.HarnessTuner`.
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
        portfolio=portfolio(bench.space) if experiment.portfolio else (),
        epochs=experiment.training.epochs,
        # Called when a trial is built: it loads the weights, which takes seconds.
        encoders=lambda modality: bench.layers.first(modality).whole(),
        columns=setup.dataset.manifest.columns,
    )
    model.tuner.serve = serve
    inputs, targets = {}, {}
    for split in ("train", "validation"):
        rows = setup.rows(split)
        # AutoKeras looks at shapes and dtypes only, and the pixels stay on disk: a stand-in has their shape and no
        # size.
        images = np.broadcast_to(np.uint8(0), (len(rows), *setup.arrays.image_shape))
        inputs[split] = [
            setup.arrays.token_ids[rows],
            setup.arrays.text_mask[rows],
            images,
            setup.arrays.image_mask[rows],
            *setup.arrays.columns_of(rows).values(),
        ]
        targets[split] = np.zeros((len(rows), setup.outputs), np.float32)
    model.fit(
        inputs["train"],
        targets["train"],
        validation_data=(inputs["validation"], targets["validation"]),
        verbose=0,
    )
