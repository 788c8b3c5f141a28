"""Question: on reviews that drift over time, is the validation figure of a search's choice its test figure?

Command:  python experiments/time_drift.py --to experiments/time_drift.json
Data:     1,800 synthetic posts without pictures for each seed, split by time (0.6 train, 0.2 validation, 0.2 test).
Cost:     see `seconds` in the result. Results that the file already has are not run again.
Finding:  judged on the later validation split, the choice's macro-F1 is 0.594, 0.635 and 0.629 on validation and 0.622,
          0.633 and 0.636 on test (seeds 1 to 3), inside each interval. Judged on shuffled folds it is 0.809, 0.798 and
          0.784 on validation and 0.507, 0.517 and 0.457 on test: the folds also choose a worse model. See
          experiments/README.md.

The posts are about 300 short events. Two things say the label: the event, which is over before the next ones begin, and
the words of the post, which keep their meaning but are right in only 60 % of the posts. Shuffled folds train on other
posts about the same events; the future has new events.

Each seed is searched twice with frozen encoders and 3 trials: with `evaluation: {folds: 5}`, as `auto` was before, and
with `auto`, which judges on the later validation split. The validation figure of the choice has a 95 % interval from
the bootstrap over events; `covered` says whether the test figure is in it.
"""

import argparse
import itertools
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from portfolio import Silent

POSTS, POSTS_OF_EVENT, WORDS_ARE_RIGHT, DRAWS = 1800, 6, 0.6, 2000
EVALUATIONS = {"folds": {"folds": 5}, "auto": "auto"}
METRICS = ("macro_f1", "accuracy")
PLACES = (
    "Aberdeen Bergen Cordoba Dakar Esbjerg Florence Gdansk Hanoi Izmir Jakarta Kampala Lima Mumbai Nairobi Oslo Porto "
    "Quito Riga Seville Tampa Utrecht Valencia Warsaw Xiamen Yokohama Zagreb"
)
THINGS = (
    "airport bakery bridge castle cinema concert dam exhibition factory ferry festival garden harbour hospital hotel "
    "library marathon market metro museum parade park school stadium theatre tower tunnel"
)
WORDS = {
    "bad": ["awful", "chaotic", "disappointing", "closed", "dangerous", "delayed"],
    "fair": ["ordinary", "expected", "usual", "unchanged", "acceptable", "quiet"],
    "good": ["wonderful", "lively", "beautiful", "welcoming", "impressive", "relaxed"],
}
FRAMES = (
    "At the {thing} of {place} it is {word} today, {more}.",
    "{place}: the {thing} was {word} when we came, {more}.",
    "Just back from the {thing} in {place}, {word}, {more}.",
    "They told us the {place} {thing} would be {word}, {more}.",
)
MORES = "as my sister said;so we went home early;with two friends;in the rain;before lunch;like last year"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file; what it holds already is kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--evaluations", nargs="+", default=list(EVALUATIONS), choices=list(EVALUATIONS))
    arguments = parser.parse_args()
    result: dict[str, Any] = {"posts": POSTS, "runs": {}}
    if arguments.to.is_file():
        result = json.loads(arguments.to.read_text(encoding="utf-8"))
    for seed, name in itertools.product(arguments.seeds, arguments.evaluations):
        runs = result["runs"].setdefault(str(seed), {})
        if name not in runs:
            with tempfile.TemporaryDirectory() as folder:
                runs[name] = measure(Path(folder), seed, EVALUATIONS[name])
            arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_table(result["runs"])


def write_posts(folder: Path, seed: int) -> dict[str, int]:
    """Write manifest.yaml and posts.jsonl, and return the event of each post by id."""
    rng = np.random.default_rng(seed)
    labels, names = list(WORDS), list(itertools.product(PLACES.split(), THINGS.split()))
    events = POSTS // POSTS_OF_EVENT
    starts, label_of = np.sort(rng.uniform(0, 700, events)), rng.integers(0, 3, events)
    name_of = rng.permutation(len(names))[:events]
    lines, event_of = [], {}
    for post in range(POSTS):
        event = int(rng.integers(events))
        label = label_of[event] if rng.random() < 0.95 else rng.integers(3)
        said = labels[label] if rng.random() < WORDS_ARE_RIGHT else labels[rng.integers(3)]
        place, thing = names[name_of[event]]
        words = {"place": place, "thing": thing, "word": rng.choice(WORDS[said]), "more": rng.choice(MORES.split(";"))}
        when = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=float(starts[event] + rng.exponential(2)))
        line = {"id": f"p{post}", "text": str(rng.choice(FRAMES)).format(**words), "label": labels[label]}
        lines.append(json.dumps({**line, "when": when.isoformat()}))
        event_of[line["id"]] = event
    (folder / "posts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    manifest = {
        "name": "time_drift",
        "records": "posts.jsonl",
        "fields": {"id": "id", "text": "text", "label": "label"},
        "splits": {"time": "when", "fractions": {"train": 0.6, "validation": 0.2, "test": 0.2}},
    }
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return event_of


def measure(folder: Path, seed: int, evaluation: Any) -> dict[str, Any]:
    """Search the posts of one seed, and compare the figures of the choice."""
    from automm.config.experiment import resolve
    from automm.search.run import run_search
    from automm.tasks.registry import TASKS

    event_of, began = write_posts(folder, seed), time.monotonic()
    settings = {
        "manifest": "manifest.yaml",
        "seed": seed,
        "budget": {"trials": 3},
        "baselines": ["logistic_text", "text_only"],
        "tier2": {"finalists": 0},
        "ensemble": False,
        "evaluation": evaluation,
    }
    run = run_search(resolve(settings, folder, name="experiment"), folder / "runs", Silent(), Silent())
    best, rows = run.read("result.json")["best"], run.judged_rows()
    row: dict[str, Any] = {"best": best, "seconds": round(time.monotonic() - began, 1), "judged": len(rows)}
    test = run.read("result.json")["test"][best]
    events = np.array([event_of[name] for name in rows.ids])
    draws = resampled(rows.targets, run.predictions(best), events, np.random.default_rng(0))
    validation = TASKS["classification"].measure(rows.targets, run.predictions(best))
    for metric in METRICS:
        low, high = np.quantile([draw[metric] for draw in draws], [0.025, 0.975])
        figures = {"validation": validation[metric], "low": low, "high": high, "test": test[metric]}
        row[metric] = {key: round(float(value), 4) for key, value in figures.items()}
        row[metric]["covered"] = bool(low <= test[metric] <= high)
    print(f"seed {seed} {evaluation}: {row}", flush=True)
    return row


def resampled(
    targets: np.ndarray, answers: np.ndarray, events: np.ndarray, rng: np.random.Generator
) -> list[dict[str, float]]:
    """Return the metrics of bootstrap samples of the events."""
    from automm.tasks.registry import TASKS

    rows_of = [np.flatnonzero(events == event) for event in np.unique(events)]
    samples = (rng.integers(0, len(rows_of), len(rows_of)) for _ in range(DRAWS))
    drawn = (np.concatenate([rows_of[place] for place in sample]) for sample in samples)
    return [TASKS["classification"].measure(targets[rows], answers[rows]) for rows in drawn]


def print_table(runs: dict[str, dict[str, Any]]) -> None:
    """Print the table of experiments/README.md."""
    print("\n| seed | judged on | validation macro-F1 | test macro-F1 | validation accuracy | test accuracy |")
    print("|---" * 6 + "|")
    for seed, by_name in runs.items():
        for name, row in by_name.items():
            cells = [seed, "five shuffled folds" if name == "folds" else "the later validation split"]
            for metric in METRICS:
                figures = row[metric]
                cells += ["{validation:.3f} ({low:.3f} to {high:.3f})".format(**figures), f"{figures['test']:.3f}"]
            print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
