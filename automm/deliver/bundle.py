"""A bundle: an exported model with everything that prediction needs.

    bundle.json       labels, input sizes, the manifest's fields, column statistics, origin and scores
    model.keras       the whole Keras model, from raw arrays to probabilities; with a bias for each class, to
                      {probabilities, label}: the position of the decided label
    tokenizer.json    the tokenizer; tokenizer_2.json, ... for further text encoders
    vocab.txt         the vocabulary of the first, for other tokenizers
    words.npy         the idf of words in the training split, if the model reads words
    MODEL_CARD.md     the model card, for people
    SHA256SUMS        digests of the files above, checked at loading

A bundle contains no pickles, and loading it runs no code from it: Keras' safe mode refuses lambdas, and every class is
registered by automm, Keras or KerasHub.
"""

import json
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from automm import __version__
from automm.config.experiment import Experiment
from automm.data.images.resampling import PictureForm
from automm.data.inputs.columns import Columns
from automm.data.inputs.input_sources import WORD_IDS, source_of_input
from automm.data.inputs.tokens import load_tokenizer
from automm.data.inputs.words import WORDS_FILE
from automm.deliver.card import model_card
from automm.deliver.checks import FORMAT, digest, experiment_of, files_of, read_bundle_json, require_empty_folder
from automm.errors import NotFoundError
from automm.models import average, baselines  # noqa: F401 - registers the layers that a saved model names
from automm.models.encoders.precision import in_precision
from automm.models.encoders.preprocessing import PicturePreprocessing, TextPreprocessing
from automm.models.encoders.sources import ImageSource, TextSource, image_source, text_source, vocabulary_of
from automm.models.packing import packed_layout, unwrap, wrap
from automm.models.whole import EncoderLayers, LazyEncoder, compose, places_of_encoders
from automm.tasks.base import Task
from automm.tasks.registry import TASKS
from automm.tracking.encoder_records import EncoderRecord, records_of, tokenizer_files
from automm.tracking.run_folder import COMPLETED, Candidate, Run


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Attributes:
        about: the content of bundle.json.
        model: the whole Keras model to probabilities; the biases of its decision are `decision`.
        texts: how each text encoder wants its texts, and the tokens of a text, first encoder first.
        pictures: the form in which each picture encoder reads pictures, first encoder first.
        columns: the encoding of metadata and history.
        word_idf: the idf by which words are kept, (BUCKETS,) float32; None if the model reads no words.
    """

    folder: Path
    about: dict[str, Any]
    model: Any
    texts: tuple[tuple[TextPreprocessing, int], ...]
    pictures: tuple[PictureForm, ...]
    columns: Columns
    word_idf: np.ndarray | None = None

    @property
    def decision(self) -> list[float]:
        """The bias of each class with which labels are decided; [] if the most probable label is."""
        biases = self.about.get("decision") or {}  # earlier bundles have no such key
        return [biases[label] for label in self.about["labels"]] if biases else []

    @property
    def task(self) -> Task:
        """The task of the model."""
        return TASKS[self.about["reading"]["task"]]


def whole_model(run: Run, name: str, layers: EncoderLayers | None = None, saved: Any = None) -> Any:
    """Build the whole Keras model of a candidate, which takes raw arrays.

    Args:
        layers: encoder layers to share; if None, they are built from the installed weights.
        saved: the model that the run has saved, if it is already loaded.

    Raises:
        NotFoundError: the installed weights of an encoder differ from those of the search.
    """
    if saved is None:
        saved = keras.saving.load_model(run.model_path(name), compile=False)
    suffix = unwrap(saved)
    names = [tensor.name for tensor in suffix.inputs]
    arrays = [source_of_input(name).array for name in names]
    # Trained end to end: already a whole model. An ensemble of such a model and of suffixes is composed.
    if all(arrays) and "token_ids" in arrays:
        return saved
    experiment = experiment_of(run)
    whole = compose(suffix, layers or _layers_of(run, experiment, names), experiment.inputs.max_images)
    return whole if packed_layout(saved) is None else wrap(whole)


def write_bundle(folder: Path, run: Run, candidate: Candidate, model: Any) -> None:
    """Write a bundle to a new or empty folder. After a failure the folder does not exist or is still empty."""
    require_empty_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        about = _about(run, candidate)
        if not any(tensor.name == WORD_IDS for tensor in unwrap(model).inputs):
            about["words"] = None
        (work / "bundle.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if candidate.decision:
            model = average.with_decision(model, candidate.decision)
        model.save(work / "model.keras")
        written = ("bundle.json", "model.keras", "MODEL_CARD.md")
        for name in (name for name in files_of(about) if name not in written):
            shutil.copyfile(run.folder / name, work / name)
        (work / "MODEL_CARD.md").write_text(model_card(about), encoding="utf-8")
        sums = "".join(f"{digest(work / name)}  {name}\n" for name in files_of(about))
        (work / "SHA256SUMS").write_text(sums, encoding="utf-8")
        work.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def load_bundle(folder: Path) -> Bundle:
    """Load a bundle, after comparing every file with SHA256SUMS.

    Raises:
        NotFoundError: a file is missing.
        DataError: a file has changed since the export, or the bundle has another format.
    """
    about = read_bundle_json(folder)
    import keras_hub  # noqa: F401 - registers the backbones that a saved model names

    model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    model = average.without_decision(model)
    columns = Columns.from_dict(about["columns"])
    records = records_of(about["encoders"], about["inputs"])
    tokenizers = [load_tokenizer(folder / name) for name in tokenizer_files(about["encoders"])]
    texts = zip(tokenizers, [record for record in records if record.modality == "text"], strict=True)
    return Bundle(
        folder,
        about,
        model,
        tuple((TextPreprocessing(tokenizer, **record.preprocessing), record.size) for tokenizer, record in texts),
        tuple(
            PicturePreprocessing(**record.preprocessing).form(record.size)
            for record in records
            if record.modality == "image"
        ),
        columns,
        np.load(folder / WORDS_FILE, allow_pickle=False) if about.get("words") else None,
    )


def _layers_of(run: Run, experiment: Experiment, names: Sequence[str]) -> EncoderLayers:
    """Return the encoders that inputs of these names need; the others of the run need not be there."""
    written = run.read("manifest.json")["encoders"]
    records = records_of(written, experiment.inputs.model_dump())
    first = {record.modality: record.name for record in reversed(records)}
    read = {(source.modality, source.encoder) for source in (source_of_input(name).of(first) for name in names)}
    tokenizers = map(run.folder.joinpath, tokenizer_files(written))
    files = [next(tokenizers) if record.modality == "text" else None for record in records]
    places = places_of_encoders([record.modality for record in records])
    folder = experiment.encoders.folder
    return EncoderLayers(
        tuple(
            LazyEncoder.of(_source(run, record, file, folder(record.name)), place, record.size, names)
            for record, place, file in zip(records, places, files, strict=True)
            if (record.modality, record.name) in read
        )
    )


def _source(run: Run, record: EncoderRecord, tokenizer: Path | None, folder: str) -> TextSource | ImageSource:
    """Return an encoder of the run.

    Args:
        tokenizer: the file of the run with the tokenizer of a text encoder.
        folder: where the encoder is; its name, unless it has moved.
    """
    name = record.name
    if Path(folder).is_absolute() and not Path(folder).exists():
        raise NotFoundError(
            f"{run.name}: the folder {folder!r} of the {record.modality} encoder does not exist. Move it back, or link "
            f"it from where it is now: ln -s FOLDER {shlex.quote(folder)}"
        )
    source: TextSource | ImageSource = (
        in_precision(image_source(name, folder), record.precision)
        if tokenizer is None
        else in_precision(text_source(name, partial(_vocabulary, tokenizer), folder), record.precision)
    )
    if record.fingerprint != source.fingerprint:
        raise NotFoundError(
            f"{run.name}: the installed weights of the {record.modality} encoder {name!r} differ from those "
            "of the search. Install the weights of the search"
        )
    return source


def _vocabulary(tokenizer: Path, size: int) -> tuple[str, ...]:
    """Return the tokens of a tokenizer of the run, in the order of their ids; the run has learned at most `size`."""
    return vocabulary_of(load_tokenizer(tokenizer))


def _about(run: Run, candidate: Candidate) -> dict[str, Any]:
    experiment, data, result = experiment_of(run), run.read("manifest.json"), run.read("result.json")
    return {
        "format": FORMAT,
        "automm": __version__,
        "keras": keras.__version__,
        "experiment": run.experiment,
        "run": run.name,
        "candidate": candidate.name,
        "kind": candidate.kind,
        "hyperparameters": candidate.hyperparameters,
        "members": _members(run, candidate),
        "objective": experiment.objective,
        "decision": dict(zip(data["labels"], candidate.decision, strict=True)) if candidate.decision else None,
        "evaluation": candidate.evaluation,
        "validation": candidate.validation,
        "test": result.get("test", {}).get(candidate.name),
        "test_reads": run.test_reads(),
        "missing": _missing(result, candidate.name),
        "pictured": data.get("pictured"),
        "folds": result.get("folds", {}).get("scores", {}).get(candidate.name),
        "labels": data["labels"],
        "inputs": experiment.inputs.model_dump(),
        "encoders": data["encoders"],
        "words": data.get("words"),
        "columns": data["columns"],
        "reading": data["reading"],
        "image_root": data["image_root"],
        "data": {key: data[key] for key in ("name", "fingerprint", "reviews", "subsample")},
        "parameters": candidate.parameters,
    }


def _missing(result: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the scores of a candidate when reviews lose a modality, from result.json; None if not measured.

    Returns:
        {"percent": [...], "scores": {modality: {metric: a value for each percent}}}
    """
    missing = result.get("missing", {})
    scores = missing.get("scores", {}).get(name)
    return {"percent": missing["percent"], "scores": scores} if scores else None


def _members(run: Run, candidate: Candidate) -> dict[str, dict[str, Any]]:
    """Return the hyperparameters of an ensemble's members by name, {} for any other candidate."""
    if candidate.kind != "ensemble":
        return {}
    names = candidate.members
    return {
        member.name: member.point for member in run.candidates() if member.name in names and member.status == COMPLETED
    }
