"""Check that a resumed run, or a worker, has the data, the encoders and the folds of the run."""

from collections.abc import Sequence

from automm.config.experiment import Experiment
from automm.errors import DataError
from automm.models.encoders.sources import ImageSource, TextSource
from automm.search.setup.data import Loaded, Setup
from automm.tracking.encoder_records import records_of
from automm.tracking.run_folder import Run


def check_same_data(
    run: Run, experiment: Experiment, loaded: Loaded, encoders: Sequence[TextSource | ImageSource]
) -> None:
    """Check that a resumed run has the same data and encoder weights as before.

    Raises:
        DataError: the data, the encoders or their weights have changed.
    """
    before = run.read("manifest.json")
    if not before:  # a new run, or one that ended before its data was encoded
        return
    if before["fingerprint"] != loaded.digest:
        counts = {name: len(rows) for name, rows in loaded.splits.items()}
        raise DataError(
            f"--resume {run.name}: the data has changed since the run began (reviews before: {before['reviews']}, "
            f"now: {counts}). Start a new run"
        )
    # Checked after the data, because an encoder may take its vocabulary from it.
    recorded = records_of(before["encoders"], experiment.inputs.model_dump())
    for modality in ("text", "image"):
        was = [record.name for record in recorded if record.modality == modality]
        now = [source.name for source in encoders if source.modality == modality]
        if was != now:  # `auto` may choose another with other libraries
            raise DataError(
                f"--resume {run.name}: the {modality} encoder was {', '.join(was)} when the run began and is "
                f"{', '.join(now)} now. Start a new run"
            )
    for record, source in zip(recorded, encoders, strict=True):
        if record.fingerprint != source.fingerprint:
            raise DataError(
                f"--resume {run.name}: the weights of the {source.modality} encoder {source.name!r} have changed since "
                "the run began. Start a new run"
            )


def check_same_rows(run: Run, setup: Setup) -> None:
    """Check that a resumed run judges candidates on the same reviews and folds as before.

    Raises:
        DataError: they have changed.
    """
    described, before = run.read("manifest.json"), run.judged_rows()
    if not described:  # as in `check_same_data`
        return
    evaluation = described.get("evaluation", setup.evaluation)
    if evaluation != setup.evaluation:
        changed = f"candidates were judged by {evaluation}, and now would be by {setup.evaluation}"
    elif before is not None and not before.same_rows(setup.judged_rows):
        changed = "the reviews of the folds on which candidates are judged have changed since the run began"
    else:
        return
    raise DataError(f"--resume {run.name}: {changed}. Start a new run")
