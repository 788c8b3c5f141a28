"""The model card of a bundle (Mitchell et al. 2019, "Model cards for model reporting", arXiv 1810.03993)."""

from collections.abc import Mapping, Sequence
from typing import Any

from automm.data.inputs.columns import Columns
from automm.models.cnn.pixels import FROZEN
from automm.models.towers import chosen_encoders
from automm.models.weights.packages import PACKAGES
from automm.tasks.registry import TASKS, all_metrics
from automm.tracking.encoder_records import records_of

SHOWN_LABELS = 100

NO_ENCODER = "none"
WORDS = "the words of the text are read by their hashes (`words` in `bundle.json`)"
DECIDED = (
    "labels are decided with a bias for each class (`decision` in `bundle.json`): a label is not always the most "
    "probable one"
)


def model_card(about: dict[str, Any]) -> str:
    """Return the model card as Markdown.

    Args:
        about: the content of bundle.json.
    """
    task = TASKS[about["reading"]["task"]]
    metrics = list(about["validation"])
    fields = about["reading"]["fields"]
    columns = "".join(f", {name}" for name in ("metadata", "history") if fields.get(name))
    lines = [
        f"# {about['experiment']}: {about['candidate']}",
        "",
        f"A {task.model} for reviews with text{columns} and up to {about['inputs']['max_images']} pictures, "
        f"trained with automm {about['automm']} (run `{about['run']}`).",
        "",
        *(["## Labels", "", _labels(about["labels"]), ""] if task.has_labels else []),
        "## Model",
        "",
        f"- text encoder: {_encoder(about, 'text')}",
        *_in_text(about),
        f"- picture encoder: {_encoder(about, 'image')}",
        *([f"- {WORDS}"] if about.get("words") else []),
        f"- parameters: {about['parameters']:,}",
        *[f"- `{name}`: {value}" for name, value in about["hyperparameters"].items()],
        *([f"- {DECIDED}"] if about.get("decision") else []),
        "",
        "## Scores",
        "",
        f"| scored on | reviews | {' | '.join(task.metrics[name].title for name in metrics)} |",
        f"|---|---|{'---|' * len(metrics)}",
    ]
    scored_on, count = _scored_on(about)
    for split, reviews, scores in (
        (scored_on, count, about["validation"]),
        ("test", about["data"]["reviews"]["test"], about["test"]),
    ):
        if scores:
            lines.append(f"| {split} | {reviews} | {' | '.join(f'{scores[name]:.3f}' for name in metrics)} |")
    lines += [
        "",
        f"The model was chosen by `{about['objective']}`, so its validation scores are optimistic{_test_reads(about)}.",
        "",
        *_on_folds(about),
        "## Data",
        "",
        f"`{about['data']['name']}`, {_trained_on(about)} reviews for training, fingerprint "
        f"`{about['data']['fingerprint'][:16]}`{_share(about)}. The scores hold for reviews like these. "
        "Test the model again before you use it for other products, languages or cameras.",
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


def _in_text(about: dict[str, Any]) -> list[str]:
    columns = Columns.from_dict(about["columns"]).in_text
    written = ", ".join(f"`{name}`" for name in columns)
    return [f"- categories written into the text, a line each: {written}"] if columns else []


def _encoder(about: dict[str, Any], modality: str) -> str:
    """Describe the encoders of a modality. For an ensemble, name each once, with the members that use it."""
    members = about.get("members")
    if not members:
        return _encoder_of_point(about, modality, about["hyperparameters"])
    encoders: dict[str, list[str]] = {}
    for name, point in members.items():
        encoders.setdefault(_encoder_of_point(about, modality, point), []).append(name)
    if len(encoders) > 1:
        encoders.pop(NO_ENCODER, None)
    if len(encoders) == 1:
        return next(iter(encoders))
    return "; ".join(f"{encoder} (in {', '.join(names)})" for encoder, names in encoders.items())


def _encoder_of_point(about: dict[str, Any], modality: str, point: Mapping[str, Any]) -> str:
    if modality not in point.get("modalities", modality).split("+"):
        return NO_ENCODER
    source = point.get("image/source", FROZEN)
    if modality == "image" and source != FROZEN:
        return f"a CNN trained on these reviews from random weights (`{source}`), {point['image/size']} pixels"
    records = {r.name: r for r in records_of(about["encoders"], about["inputs"]) if r.modality == modality}
    sizes = {"text": "at most {} word pieces", "image": "{} pixels"}[modality]
    chosen = chosen_encoders(modality, point, list(records))
    return " and ".join(f"`{name}`, {sizes.format(records[name].size)}{_licence(name)}" for name in chosen)


def _licence(encoder: str) -> str:
    """Return the licence of the weights of a packaged encoder, which the bundle contains."""
    return f", weights under {PACKAGES[encoder].licence}" if encoder in PACKAGES else ""


def _test_reads(about: dict[str, Any]) -> str:
    """Say how often the test split was read: again by each resumed search, never if the bundle was exported before."""
    reads = about.get("test_reads", 1)
    if not reads or not about["test"]:
        return ". It was not scored on the test split"
    if reads == 1:
        return ". The test split was read once, after the choice"
    return f". The test split was read {reads} times, because the search was resumed, and only after each choice"


def _on_folds(about: dict[str, Any]) -> list[str]:
    """Return the lines with mean and standard deviation over the test parts of the manifest's folds, if measured."""
    folds = about.get("folds")
    if not folds or len(folds["folds"]) < 2:
        return []
    metrics = all_metrics()
    figures = ", ".join(
        f"{metrics[name].title} {mean:.3f} ± {folds['deviation'][name]:.3f}" for name, mean in folds["mean"].items()
    )
    frozen = (
        " The encoders were frozen in this measurement: these are the scores of the tier-1 candidates that this model "
        "was made from."
        if folds["frozen"]
        else ""
    )
    failed_folds = ", ".join(folds["failed"])
    failed = f" Training failed on fold {failed_folds}." if failed_folds else ""
    return [
        f"Retrained on each of {len(folds['folds'])} folds and scored on their test parts (mean ± standard "
        f"deviation): {figures}.{frozen}{failed} The search used the first fold only, but it chose the "
        "hyperparameters on reviews that are test reviews in the other folds.",
        "",
    ]


def _scored_on(about: dict[str, Any]) -> tuple[str, str]:
    """Return the reviews that the validation scores are computed on, in words, and their number."""
    counts, evaluation = about["data"]["reviews"], about["evaluation"]
    both = counts["train"] + counts["validation"]
    if evaluation == "holdout":
        return "validation", str(counts["validation"])
    if evaluation.startswith("1 of "):
        return f"held out, {evaluation}", f"a fold of {both}"
    return f"out of fold, {evaluation}", str(both)


def _trained_on(about: dict[str, Any]) -> int:
    counts = about["data"]["reviews"]
    return int(counts["train"] if about["evaluation"] == "holdout" else counts["train"] + counts["validation"])


def _share(about: dict[str, Any]) -> str:
    share = about["data"]["subsample"]
    return "" if share is None else f" (a random subsample: {share:g} of all reviews)"
