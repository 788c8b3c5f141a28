"""Question: how close does a search on the demo come to the best possible accuracy, for both modalities and each alone?

Command:  python experiments/demo_ceiling.py --to experiments/demo_ceiling.json
Data:     the demo's 600 reviews (seed 1) for the search; 2,000 fresh ones (seed 77) for measuring, read once.
Cost:     about 10 minutes on two cores, most of it encoding the fresh pictures.
Finding:  see experiments/README.md.

The ceiling comes from the generator: it is the accuracy of the rule that made the labels, given the text, the pictures,
or both. The fresh reviews are encoded once, and all candidates read the same features.
"""

import argparse
import json
import tempfile
from pathlib import Path

from rich.console import Console

FRESH_SEED = 77
MODALITY = {"text_only": "text", "logistic_text": "text", "image_only": "image", "logistic_image": "image"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), arguments.trials, arguments.seed, arguments.fresh)
    arguments.to.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def measure(folder: Path, trials: int, seed: int, fresh: int) -> dict:
    """Search, export, and predict the fresh reviews."""
    import keras
    import numpy as np

    from automm.cli.progress import ConsoleReporter
    from automm.config.experiment import resolve
    from automm.data.demo.generate import best_accuracy, write_demo
    from automm.search.run import run_search
    from automm.search.session import Search
    from automm.search.setup.data import encoder_sources, load, prepare
    from automm.tracking.protocol import NoTracker

    manifest = write_demo(folder / "demo")
    settings = {"manifest": str(manifest), "name": "demo", "seed": seed, "budget": {"trials": trials}}
    experiment = resolve(settings, folder, name="experiment")
    reporter = ConsoleReporter(Console(stderr=True, width=140), trials, "macro_f1")
    run = run_search(experiment, folder / "runs", NoTracker(), reporter)
    best = run.read("result.json")["best"]
    unseen = experiment.model_copy(update={"manifest": write_demo(folder / "fresh", reviews=fresh, seed=FRESH_SEED)})
    reporter.stage("fresh reviews")
    loaded = load(unseen, reporter.step)
    task = prepare(unseen, loaded, encoder_sources(unseen, loaded), reporter.step)
    search = Search(task, run, NoTracker(), reporter, None)
    everything = np.arange(len(task.arrays))
    ceilings = best_accuracy(FRESH_SEED, fresh)
    rows = []
    tuned = [candidate for candidate in run.candidates() if candidate.kind == "fine-tuned"]
    pairs = [name for candidate in tuned for name in (candidate.name, candidate.name.removesuffix("-tuned"))]
    for name in dict.fromkeys((best, *pairs, "concatenation", "logistic_both", *MODALITY)):
        saved = keras.saving.load_model(run.model_path(name), compile=False)
        predicted = search.bench.predictor(saved)(everything).argmax(axis=1)
        accuracy = float((predicted == task.arrays.targets).mean())
        ceiling = ceilings[MODALITY.get(name, "both")]
        rows.append({"candidate": name, "accuracy": round(accuracy, 4), "ceiling": round(ceiling, 4)})
    chosen = {candidate.name: candidate for candidate in run.candidates()}[best]
    return {"seed": seed, "trials": trials, "fresh": fresh, "hyperparameters": chosen.hyperparameters, "rows": rows}


if __name__ == "__main__":
    main()
