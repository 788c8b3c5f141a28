"""Question: which fusions learn a label that is in the product of the modalities, and in neither of them alone?

Command:  python experiments/product_task.py --to experiments/product_task.json
Data:     generated: text and picture features of 16 normal numbers each, label = whether (a . text) * (b . picture) > 0
          for fixed random a and b; 2,000 reviews for training, 1,000 for early stopping, 4,000 for measuring.
Cost:     see `seconds` in the result.
Finding:  see experiments/README.md.

By construction each modality alone is at chance, and so is every sum of a function of the text and a function of the
picture. With a linear head (no hidden layer) a fusion must therefore multiply, or let one modality control the other;
with one hidden layer the head can do this. Every fusion of the space is trained with both heads and three seeds, like
trials.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

FEATURES = 16
LEARN, STOP, MEASURE = 2000, 1000, 4000
POINT = {
    "image/pooling": "mean",
    "image/heads": 1,
    "fusion/width": 64,
    "fusion/rank": 8,
    "label/width": 64,
    "label/dropout": 0.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    from automm.models.fusion import FUSIONS

    began = time.monotonic()
    rows = []
    for operator in FUSIONS:
        for layers in (0, 1):
            scores = [accuracy(operator, layers, seed) for seed in arguments.seeds]
            rows.append({"operator": operator, "layers": layers, "accuracy": [round(score, 4) for score in scores]})
            print(json.dumps(rows[-1]), flush=True)
    result = {"seeds": arguments.seeds, "seconds": round(time.monotonic() - began), "rows": rows}
    arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(rows))


class Reviews:
    """The features of the task, in the form of a search, and its labels."""

    def __init__(self, count: int, seed: int):
        rng = np.random.default_rng((seed, 0))
        self.arrays = {
            "text": rng.normal(size=(count, FEATURES)).astype(np.float32),
            "text_mask": np.ones(count, np.float32),
            "image": rng.normal(size=(count, 1, FEATURES)).astype(np.float32),
            "image_mask": np.ones((count, 1), np.float32),
        }
        directions = np.random.default_rng((seed, 1)).normal(size=(2, FEATURES))
        product = (self.arrays["text"] @ directions[0]) * (self.arrays["image"][:, 0] @ directions[1])
        self.labels = (product > 0).astype(np.int64)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of a suffix."""
        return {name: array[rows] for name, array in self.arrays.items()}


def accuracy(operator: str, layers: int, seed: int, *, learn: int = LEARN, epochs: int = 60) -> float:
    """Return the accuracy of a fusion with a head of this number of hidden layers on unseen reviews."""
    import keras

    from automm.models.baselines import fused
    from automm.models.heads import Shapes
    from automm.search.training.loop import Fold, predict, train
    from automm.search.training.options import Plan
    from automm.tasks.registry import TASKS

    reviews = Reviews(learn + STOP + MEASURE, seed)
    order = np.arange(len(reviews.labels))
    fold = Fold(order[:learn], order[learn : learn + STOP])
    keras.utils.set_random_seed(seed)
    values: dict[str, Any] = {**POINT, "fusion/operator": operator, "label/layers": layers}
    model = fused(Shapes(FEATURES, FEATURES, 1, 2, head="softmax"), values)
    plan = Plan(
        "val_loss",
        task=TASKS["classification"],
        epochs=epochs,
        patience=10,
        batch_size=32,
        learning_rate=3e-3,
        seed=seed,
    )
    train([model], [fold], reviews, reviews.labels, plan)
    unseen = order[learn + STOP :]
    return float((predict(model, reviews, unseen).argmax(axis=1) == reviews.labels[unseen]).mean())


def table(rows: list[dict[str, Any]]) -> str:
    """Print the table of experiments/README.md."""
    lines = ["| fusion | linear head | one hidden layer |", "|---|---|---|"]
    for linear, hidden in zip(rows[::2], rows[1::2], strict=True):
        cells = [f"{np.mean(row['accuracy']):.3f} ± {np.std(row['accuracy']):.3f}" for row in (linear, hidden)]
        lines.append(f"| {linear['operator']} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
