"""What can be said of a run or a bundle before any model is read: a typing error should take no seconds of imports."""

import hashlib
import json
from pathlib import Path
from typing import Any

from automm.config.experiment import Experiment, load_experiment
from automm.errors import ConfigError, DataError, NotFoundError
from automm.tracking.runs import COMPLETED, Candidate, Run, rank

FILES = ("bundle.json", "model.keras", "tokenizer.json", "vocab.txt", "MODEL_CARD.md")
FORMAT = 1


def choose(run: Run, name: str | None) -> Candidate:
    """A completed candidate whose weights are kept; the best by validation if none is named.

    Raises:
        NotFoundError: no such candidate, or its weights are gone.
    """
    candidates = run.candidates()
    if name is None:
        ranked = rank(candidates, experiment_of(run).direction)
        if not ranked:
            raise NotFoundError(f"{run.name}: no candidate has completed")
        chosen = ranked[0]
    else:
        named = [c for c in candidates if c.name == name and c.status == COMPLETED]
        if not named:
            legal = ", ".join(candidate.name for candidate in candidates if candidate.status == COMPLETED)
            raise NotFoundError(f"{run.name}: no completed candidate {name!r}. There are: {legal}")
        chosen = named[0]
    if not run.model_path(chosen.name).is_file():
        kept = ", ".join(sorted(path.stem for path in run.candidates_folder.glob("*.keras")))
        raise NotFoundError(
            f"{run.name}: {chosen.name!r} fell out of the best, and its weights were deleted. Kept: {kept}"
        )
    return chosen


def fresh_folder(folder: Path) -> None:
    """Raise ConfigError if the folder holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} holds something. Name an empty or a new folder")


def read_about(folder: Path) -> dict[str, Any]:
    """What bundle.json says, after every file of the bundle was checked against SHA256SUMS.

    Raises:
        NotFoundError: a file is missing.
        DataError: a file is not what was exported.
    """
    missing = [name for name in (*FILES, "SHA256SUMS") if not (folder / name).is_file()]
    if missing:
        raise NotFoundError(
            f"{folder} is not a bundle: {', '.join(missing)} missing. 'automm export RUN --to DIR' writes one"
        )
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: value for value, _, name in (line.partition("  ") for line in lines)}
    changed = [name for name in FILES if sums.get(name) != digest(folder / name)]
    if changed:
        raise DataError(f"{folder}: {', '.join(changed)} differ from SHA256SUMS. Export the bundle again")
    about: dict[str, Any] = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    if about.get("format") != FORMAT:
        raise DataError(f"{folder}: bundle format {about.get('format')!r}; this automm reads {FORMAT}")
    return about


def experiment_of(run: Run) -> Experiment:
    """The resolved experiment of a run."""
    return load_experiment(run.folder / "config.yaml")


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
