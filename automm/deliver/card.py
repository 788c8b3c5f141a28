"""The model card of a bundle (Mitchell et al. 2019, "Model cards for model reporting", arXiv 1810.03993)."""

from typing import Any


def model_card(about: dict[str, Any]) -> str:
    """Markdown, from a bundle's description."""
    lines = [
        f"# {about['experiment']}: {about['candidate']}",
        "",
        f"A classifier of reviews with text and up to {about['inputs']['max_images']} pictures, made by automm "
        f"{about['automm']} (run `{about['run']}`).",
        "",
        "## Labels",
        "",
        ", ".join(f"`{label}`" for label in about["labels"]),
        "",
        "## What it is made of",
        "",
        f"- text encoder: `{about['encoders']['text']['name']}`, {about['inputs']['sequence_length']} word pieces",
        f"- picture encoder: `{about['encoders']['image']['name']}`, {about['inputs']['image_size']} pixels",
        f"- parameters: {about['parameters']:,}",
        *[f"- `{name}`: {value}" for name, value in about["hyperparameters"].items()],
        "",
        "## What it scored",
        "",
        "| split | reviews | accuracy | macro-F1 | loss |",
        "|---|---|---|---|---|",
    ]
    for split in ("validation", "test"):
        scores = about[split]
        if scores:
            lines.append(
                f"| {split} | {about['data']['reviews'][split]} | {scores['accuracy']:.3f} | "
                f"{scores['macro_f1']:.3f} | {scores['loss']:.3f} |"
            )
    lines += [
        "",
        f"It was chosen by `{about['objective']}`, so its validation figures are optimistic; the test split was read "
        "once, after the choice.",
        "",
        "## Data",
        "",
        f"`{about['data']['name']}`, {about['data']['reviews']['train']} reviews for training, fingerprint "
        f"`{about['data']['fingerprint'][:16]}`. The model knows what these reviews show, and nothing else: other "
        "products, languages or cameras need a test of their own.",
        "",
        "## Use",
        "",
        "    automm predict THIS_FOLDER reviews.jsonl --to predictions.jsonl",
        "",
    ]
    return "\n".join(lines)
