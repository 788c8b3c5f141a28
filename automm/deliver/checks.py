"""Check a run or a bundle before any model is loaded: a typing error is reported without importing TensorFlow."""

import hashlib
import json
from pathlib import Path
from typing import Any

from automm.config.experiment import Experiment, load_experiment
from automm.data.inputs.words import SETTINGS, WORDS_FILE
from automm.errors import ConfigError, DataError, NotFoundError
from automm.paths import runs_flag
from automm.tasks.registry import TASKS
from automm.tracking.encoder_records import tokenizer_files
from automm.tracking.run_folder import COMPLETED, PARITY, Candidate, Run, rank

FILES = ("bundle.json", "model.keras", "tokenizer.json", "vocab.txt", "MODEL_CARD.md")  # and further tokenizers
FORMAT = 1


def choose_candidate(run: Run, name: str | None) -> Candidate:
    """Return a completed candidate whose weights are kept: the one named, else the best on validation.

    Raises:
        NotFoundError: there is no such candidate, its weights were deleted, or its whole model gave other answers than
            its suffix (`comparisons`).
    """
    candidates = run.candidates()
    refused = {one: compared for one, compared in comparisons(run).items() if not compared["exported"]}
    if name is None:
        ranked = rank(candidates, experiment_of(run).direction)
        if not ranked:
            resume = f"automm search --resume {run.name}{runs_flag(run.folder.parents[1])}"
            raise NotFoundError(f"{run.name}: no candidate has completed. Continue: {resume}")
        kept = [c for c in ranked if c.name not in refused and run.model_path(c.name).is_file()]
        chosen = (kept or ranked)[0]
    else:
        named = [c for c in candidates if c.name == name and c.status == COMPLETED]
        if not named:
            legal = ", ".join(candidate.name for candidate in candidates if candidate.status == COMPLETED)
            raise NotFoundError(f"{run.name}: no completed candidate {name!r}. Name one of: {legal}")
        chosen = named[0]
    others = [path.stem for path in run.candidates_folder.glob("*.keras") if path.stem not in refused]
    advice = f"Name one that can be exported: {', '.join(sorted(others))}" if others else "No other can be exported"
    if chosen.name in refused:
        compared = refused[chosen.name]
        raise NotFoundError(
            f"{run.name}: the whole model of {chosen.name!r} and the model that was selected differ by "
            f"{compared['difference']:.1e} (tolerance {compared['tolerance']:.0e}). {advice}"
        )
    if not run.model_path(chosen.name).is_file():
        raise NotFoundError(
            f"{run.name}: the weights of {chosen.name!r} were deleted, because other candidates scored better. {advice}"
        )
    return chosen


def comparisons(run: Run) -> dict[str, Any]:
    """Return how whole models differ from their suffixes, by name: {difference, tolerance, exported}."""
    return run.read(PARITY) or run.read("result.json").get("parity", {})  # older runs have them in the result only


def require_empty_folder(folder: Path) -> None:
    """Raise ConfigError if the folder is not empty, or is a file."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file. Name an empty or a new folder")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty. Name an empty or a new folder")


def read_bundle_json(folder: Path) -> dict[str, Any]:
    """Return the content of bundle.json, after comparing every file of the bundle with SHA256SUMS.

    Raises:
        NotFoundError: a file is missing.
        DataError: a file has changed since the export, or the bundle has another format.
    """
    missing = [name for name in (*FILES, "SHA256SUMS") if not (folder / name).is_file()]
    if missing:
        raise NotFoundError(
            f"{folder} is not a bundle: {', '.join(missing)} missing. Write one: automm export RUN --to DIR"
        )
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: value for value, _, name in (line.partition("  ") for line in lines)}
    changed = [name for name in FILES if sums.get(name) != digest(folder / name)]
    if not changed:  # bundle.json is as it was exported, and names the other files
        further = files_of(json.loads((folder / "bundle.json").read_text(encoding="utf-8")))[len(FILES) :]
        changed = [n for n in further if not (folder / n).is_file() or sums.get(n) != digest(folder / n)]
    if changed:
        raise DataError(
            f"{folder}: {', '.join(changed)} changed since the export (SHA256SUMS). Export the bundle again"
        )
    about: dict[str, Any] = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    if about.get("format") != FORMAT:
        raise DataError(
            f"{folder}: bundle format {about.get('format')!r}, and this automm reads {FORMAT}. Export the bundle again"
        )
    if about.get("words") not in (None, SETTINGS):
        raise DataError(
            f"{folder}: its words are hashed as {about['words']}, and this automm hashes as {SETTINGS}. Install the "
            "automm that exported the bundle"
        )
    if (task := about["reading"]["task"]) not in TASKS:
        raise DataError(f"{folder}: unknown task {task!r}. Install the automm that exported the bundle")
    return about


def files_of(about: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the files of a bundle that SHA256SUMS lists.

    Args:
        about: the content of bundle.json.
    """
    return *FILES, *tokenizer_files(about["encoders"])[1:], *([WORDS_FILE] if about.get("words") else ())


def experiment_of(run: Run) -> Experiment:
    """Return the resolved experiment of a run."""
    return load_experiment(run.folder / "config.yaml")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
