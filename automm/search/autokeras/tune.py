"""The AutoKeras search of a session, set up the same way in the process that owns the oracle and in every worker."""

from collections.abc import Callable
from typing import Any

import numpy as np

from automm.search.autokeras.tuner import build_search
from automm.search.session import Search
from automm.search.space.portfolio import portfolio


def tune(search: Search, folder: str, serve: Callable[[Any], None] | None = None) -> None:
    """Propose trials and train them, until the session's budget is used up or the space is.

    Args:
        folder: KerasTuner's own files, relative to the run.
        serve: has the trials run elsewhere; see `tuner.HarnessTuner`.
    """
    experiment, task = search.task.experiment, search.task
    model = build_search(
        search,
        space=search.space,
        tuner=experiment.tuner,
        objective=experiment.objective,
        seed=experiment.seed,
        folder=search.run.folder / folder,
        portfolio=portfolio(search.space) if experiment.portfolio else (),
        epochs=experiment.training.epochs,
        encoders=search.layers.whole,  # not called here: it loads the weights, which takes seconds
        columns=task.dataset.manifest.columns,
    )
    model.tuner.serve = serve
    inputs, targets = {}, {}
    for split in ("train", "validation"):
        rows = task.rows(split)
        # AutoKeras looks at shapes and dtypes only, and the pixels stay on disk: a stand-in has their shape and no
        # size.
        images = np.broadcast_to(np.uint8(0), (len(rows), *task.arrays.image_shape))
        inputs[split] = [
            task.arrays.token_ids[rows],
            task.arrays.text_mask[rows],
            images,
            task.arrays.image_mask[rows],
            *task.arrays.columns_of(rows).values(),
        ]
        targets[split] = np.zeros((len(rows), task.outputs), np.float32)
    model.fit(
        inputs["train"],
        targets["train"],
        validation_data=(inputs["validation"], targets["validation"]),
        verbose=0,
    )
