"""Question: how much faster is a search whose encoders run once than one that runs them in every epoch?

Command:  python experiments/benchmarks/prefix.py
Cost:     about fifteen minutes on two cores after the weights are installed.
Prints:   seconds of 20 trials of 10 epochs on 2,000 reviews (one picture of 224 pixels and up to 64 word pieces each),
          with encoding and an empty cache; the same trials with the encoders in every epoch; and AutoKeras alone: an
          AutoModel of the same blocks and frozen encoders with AutoKeras' own tuner and Keras' own fit. The latter two
          train 2 trials of 2 epochs, scaled up. Then how many times slower they are.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from synthetic import write_reviews

EPOCHS, TRIALS = 10, 20
FEW_EPOCHS, FEW_TRIALS = 2, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, default=2000)
    arguments = parser.parse_args()
    weights = os.environ.get("AUTOMM_CACHE_DIR")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_reviews(folder, arguments.reviews, words=60)
        _empty_cache(folder, weights)
        cut, task = with_prefix(folder, manifest)
        scale = TRIALS * EPOCHS / (FEW_TRIALS * FEW_EPOCHS)
        uncut = scale * without_prefix(task)
        alone = scale * autokeras_alone(folder, task)
    print(
        json.dumps(
            {
                "reviews": arguments.reviews,
                "cut_seconds": round(cut, 1),
                "uncut_seconds_scaled": round(uncut),
                "autokeras_seconds_scaled": round(alone),
                "uncut_over_cut": round(uncut / cut, 1),
                "autokeras_over_cut": round(alone / cut, 1),
            },
            indent=2,
        )
    )


def _empty_cache(folder: Path, weights: str | None) -> None:
    """Use a cache with only the weights."""
    from automm.paths import cache_dir

    source = (Path(weights) if weights else cache_dir()) / "weights"
    (folder / "cache").mkdir()
    (folder / "cache" / "weights").symlink_to(source)
    os.environ["AUTOMM_CACHE_DIR"] = str(folder / "cache")


def with_prefix(folder: Path, manifest: Path) -> tuple[float, Any]:
    """Return the seconds of encoding and 20 trials, and the task."""
    from automm.cli.progress import ConsoleReporter
    from automm.config.experiment import resolve
    from automm.search.run import run_search
    from automm.search.setup.data import encoder_sources, load, prepare
    from automm.tracking.protocol import NoTracker

    experiment = resolve(
        {
            "manifest": str(manifest),
            "name": "prefix",
            "budget": {"trials": TRIALS, "time": None},
            "inputs": {"max_images": 1},
            "training": {"epochs": EPOCHS, "patience": EPOCHS},
            "evaluation": "holdout",
            "baselines": ["majority"],
            "ensemble": False,
            "tier2": {"finalists": 0},
        },
        folder,
        name="benchmark",
    )
    stages: dict[str, float] = {}

    class Clock(ConsoleReporter):
        def stage(self, text: str) -> None:
            stages[text] = time.perf_counter()
            super().stage(text)

    run_search(experiment, folder / "runs", NoTracker(), Clock(Console(stderr=True), TRIALS, "macro_f1"))
    seconds = stages["finalists"] - stages["encoding"]
    loaded = load(experiment)
    return seconds, prepare(experiment, loaded, encoder_sources(experiment, loaded))


def without_prefix(task: Any) -> float:
    """Return the seconds of a few trials of whole models with frozen encoders: the same training loop on raw arrays."""
    from automm.models import baselines
    from automm.models.whole import EncoderLayers, compiled, compose, rows_at_once
    from automm.search.training.loop import train
    from automm.search.training.options import Plan
    from automm.tasks.registry import TASKS

    layers = EncoderLayers.of(task.sources, task.arrays.sizes)
    for encoder in layers.encoders:
        encoder.whole()
    plan = Plan("val_macro_f1", FEW_EPOCHS, FEW_EPOCHS, 32, 1e-3, task=TASKS["classification"], seed=1)
    began = time.perf_counter()
    for _ in range(FEW_TRIALS):
        model = compose(
            baselines.fused(task.shapes, baselines.CONCATENATION),
            layers,
            task.experiment.inputs.max_images,
        )
        readers = [compiled(model)]
        train(
            [model],
            task.folds,
            task.arrays,
            task.arrays.targets,
            plan,
            predictors=readers,
            predict_batch_size=rows_at_once(1),
        )
    return time.perf_counter() - began


def autokeras_alone(folder: Path, task: Any) -> float:
    """Return the seconds of a few trials of AutoKeras on the same blocks, without the harness."""
    import autokeras as ak
    import keras

    from automm.models.whole import EncoderLayers
    from automm.search.autokeras.keras_tuner_internals import WithoutTensorBoard
    from automm.search.autokeras.tuner import SearchGraph, SearchModel, graph_of_blocks
    from automm.search.space.validation import full_space

    class Graph(SearchGraph):
        def _compile_keras_model(self, hp: Any, model: Any) -> Any:
            model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", metrics=["accuracy"])
            return model

    class Model(SearchModel):
        def make_graph(self) -> Graph:
            graph = Graph(inputs=self.inputs, outputs=self.outputs)
            graph.space = space
            return graph

    class Tuner(WithoutTensorBoard, ak.tuners.RandomSearch):
        pass

    layers = EncoderLayers.of(task.sources, task.arrays.sizes)
    for encoder in layers.encoders:
        encoder.whole()
    space = full_space()
    nodes, outputs = graph_of_blocks(layers.encoders, "softmax")
    model = Model(
        space,
        inputs=nodes,
        outputs=outputs,
        project_name="alone",
        directory=str(folder),
        max_trials=FEW_TRIALS,
        objective="val_loss",
        tuner=Tuner,
        seed=1,
    )

    def given(split: str) -> tuple[list[np.ndarray], np.ndarray]:
        batch = task.arrays.batch(task.rows(split))
        arrays = [batch[name] for name in ("token_ids", "text_mask", "images", "image_mask")]
        return arrays, np.eye(len(task.labels), dtype=np.float32)[task.targets(split)]

    inputs, targets = given("train")
    validation = given("validation")
    began = time.perf_counter()
    # With EarlyStopping and validation data AutoKeras does not train the best model a last time.
    stop = keras.callbacks.EarlyStopping(patience=FEW_EPOCHS)
    model.fit(
        inputs, targets, validation_data=validation, epochs=FEW_EPOCHS, batch_size=32, callbacks=[stop], verbose=0
    )
    seconds = time.perf_counter() - began
    statuses = [trial.status for trial in model.tuner.oracle.trials.values()]
    assert statuses == ["COMPLETED"] * FEW_TRIALS, statuses
    return seconds


if __name__ == "__main__":
    main()
