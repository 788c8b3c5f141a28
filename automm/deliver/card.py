"""The model card of a bundle (Mitchell et al. 2019, "Model cards for model reporting", arXiv 1810.03993)."""

from collections.abc import Mapping, Sequence
from typing import Any

from automm.models.cnn.pixels import FROZEN
from automm.tasks.registry import TASKS, all_metrics

SHOWN_LABELS = 100


def model_card(about: dict[str, Any]) -> str:
    """Markdown, from a bundle's description."""
    task = TASKS[about["reading"]["task"]]
    metrics = list(about["validation"])
    fields = about["reading"]["fields"]
    columns = "".join(f", {name}" for name in ("metadata", "history") if fields.get(name))
    lines = [
        f"# {about['experiment']}: {about['candidate']}",
        "",
        f"A {task.model} of reviews with text{columns} and up to "
        f"{about['inputs']['max_images']} pictures, made by automm {about['automm']} (run `{about['run']}`).",
        "",
        *(["## Labels", "", _labels(about["labels"]), ""] if task.has_labels else []),
        "## What it is made of",
        "",
        f"- text encoder: `{about['encoders']['text']['name']}`, {about['inputs']['sequence_length']} word pieces",
        f"- picture encoder: {_picture_encoder(about)}",
        f"- parameters: {about['parameters']:,}",
        *[f"- `{name}`: {value}" for name, value in about["hyperparameters"].items()],
        "",
        "## What it scored",
        "",
        f"| judged on | reviews | {' | '.join(task.metrics[name].title for name in metrics)} |",
        f"|---|---|{'---|' * len(metrics)}",
    ]
    what, count = _judged_on(about)
    for split, reviews, scores in (
        (what, count, about["validation"]),
        ("test", about["data"]["reviews"]["test"], about["test"]),
    ):
        if scores:
            lines.append(f"| {split} | {reviews} | {' | '.join(f'{scores[name]:.3f}' for name in metrics)} |")
    lines += [
        "",
        f"It was chosen by `{about['objective']}`, so its validation figures are optimistic{_test_reads(about)}.",
        "",
        *_on_folds(about),
        "## Data",
        "",
        f"`{about['data']['name']}`, {_learned_from(about)} reviews for training, fingerprint "
        f"`{about['data']['fingerprint'][:16]}`{_share(about)}. The model knows what these reviews show, "
        "and nothing else: other products, languages or cameras need a test of their own.",
        "",
        "## Use",
        "",
        "    automm predict THIS_FOLDER reviews.jsonl --to predictions.jsonl",
        "",
    ]
    return "\n".join(lines)


def _labels(labels: Sequence[str]) -> str:
    """The first labels; a card is read by people, and bundle.json has all of them."""
    more = f" and {len(labels) - SHOWN_LABELS:,} more, all of them in bundle.json" if len(labels) > SHOWN_LABELS else ""
    return ", ".join(f"`{label}`" for label in labels[:SHOWN_LABELS]) + more


def _picture_encoder(about: dict[str, Any]) -> str:
    """What reads the pictures; of an ensemble, each of its members' once, with their names."""
    members = about.get("members")
    if not members:
        return _reader(about, about["hyperparameters"])
    readers: dict[str, list[str]] = {}
    for name, point in members.items():
        readers.setdefault(_reader(about, point), []).append(name)
    if len(readers) == 1:
        return next(iter(readers))
    return "; ".join(f"{reader}, in {', '.join(names)}" for reader, names in readers.items())


def _reader(about: dict[str, Any], point: Mapping[str, Any]) -> str:
    source = point.get("image/source", FROZEN)
    if source == FROZEN:
        return f"`{about['encoders']['image']['name']}`, {about['inputs']['image_size']} pixels"
    return f"a CNN trained on these reviews from its first weights (`{source}`), {point['image/size']} pixels"


def _test_reads(about: dict[str, Any]) -> str:
    """A resumed search reads the test split again, and a bundle may be exported before it is read."""
    reads = about.get("test_reads", 1)
    if not reads or not about["test"]:
        return "; it has not been measured on the test split"
    if reads == 1:
        return "; the test split was read once, after the choice"
    return f"; the test split was read {reads} times, as the search was resumed, and only after each choice"


def _on_folds(about: dict[str, Any]) -> list[str]:
    """Mean and spread over the test parts of the manifest's folds, where they were measured."""
    folds = about.get("folds")
    if not folds or len(folds["folds"]) < 2:
        return []
    metrics = all_metrics()
    figures = ", ".join(
        f"{metrics[name].title} {mean:.3f} ± {folds['deviation'][name]:.3f}" for name, mean in folds["mean"].items()
    )
    frozen = (
        " Encoders were frozen there, so that these are the figures of what this candidate was made from."
        if folds["frozen"]
        else ""
    )
    lost = ", ".join(folds["failed"])
    failed = f" Without a figure: fold {lost}." if lost else ""
    return [
        f"Trained anew on each of {len(folds['folds'])} folds, and measured on their test parts (mean ± standard "
        f"deviation): {figures}.{frozen}{failed} The search saw the first fold only, but its hyperparameters were "
        "picked on reviews that the others test on.",
        "",
    ]


def _judged_on(about: dict[str, Any]) -> tuple[str, str]:
    """What the validation figures are of, and how many reviews that is."""
    counts, evaluation = about["data"]["reviews"], about["evaluation"]
    both = counts["train"] + counts["validation"]
    if evaluation == "holdout":
        return "validation", str(counts["validation"])
    if evaluation.startswith("1 of "):
        return f"held out, {evaluation}", f"a fold of {both}"
    return f"out of fold, {evaluation}", str(both)


def _learned_from(about: dict[str, Any]) -> int:
    counts = about["data"]["reviews"]
    return int(counts["train"] if about["evaluation"] == "holdout" else counts["train"] + counts["validation"])


def _share(about: dict[str, Any]) -> str:
    share = about["data"]["subsample"]
    return "" if share is None else f": {share:g} of the reviews that there are, for a first look"
