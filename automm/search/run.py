"""Run a whole search: load data, train baselines and trials, evaluate finalists, write the record."""

import hashlib
import json
import logging
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from automm.config.experiment import CHANGEABLE, Experiment
from automm.data.change_kinds import change_lines
from automm.data.files import write_atomically
from automm.data.inputs.words import WORDS_FILE, idf_to_bytes
from automm.data.manifest import load_manifest
from automm.deliver.checks import experiment_of
from automm.errors import ConfigError, NoTrialError, Problem
from automm.models.encoders.sources import ImageSource, TextSource
from automm.search.autokeras.tune import tune
from automm.search.baselines import finish_end_to_end, run_baselines
from automm.search.cost.estimate import disk_warning, estimate
from automm.search.cost.time_budget import Pace, Tail, check_encoding
from automm.search.evidence.sections import SECTIONS
from automm.search.evidence.stage import gather_in_budget
from automm.search.features.encoding_time import EncodingTime
from automm.search.finalists.fine_tune import fine_tune
from automm.search.finalists.run_ensemble import run_ensemble
from automm.search.finalists.seeds import train_other_seeds
from automm.search.finalists.test import evaluate_finalists
from automm.search.interrupt import interruptible
from automm.search.memory import freeze_loaded_objects
from automm.search.parallel.chief import without_stdout
from automm.search.parallel.worker_options import WorkerOptions
from automm.search.parallel.workers import Workers
from automm.search.recorder import GiveUp
from automm.search.reporter import Reporter
from automm.search.session import Search
from automm.search.setup.data import Loaded, Setup, encoder_sources, load, prepare
from automm.search.setup.describe import describe
from automm.search.setup.folds import check_folds, folds_of, with_recorded_evaluation
from automm.search.setup.same import check_same_data, check_same_rows
from automm.search.space.encoder_readouts import check_readouts
from automm.search.space.validation import space_of
from automm.search.spent_time import SpentTime
from automm.tracking import judged_rows
from automm.tracking.encoder_records import tokenizer_files
from automm.tracking.experiments import check_experiment
from automm.tracking.mlflow_tracker import flatten
from automm.tracking.protocol import Tracker
from automm.tracking.run_folder import Run, create_run

PACKAGES = ("automm", "autokeras", "keras", "keras-hub", "keras-tuner", "mlflow", "numpy", "pillow", "tensorflow")

MOVED = "encoders.moved"  # a key that a resumed run may change: fingerprints of encoders are compared

log = logging.getLogger("automm")


def run_search(
    experiment: Experiment,
    runs_dir: Path,
    tracker: Tracker,
    reporter: Reporter,
    *,
    resume: Run | None = None,
    worker_options: WorkerOptions | None = None,
) -> Run:
    """Run a search, and write its record to a folder in `runs_dir`.

    Args:
        resume: the run to continue; its experiment may differ in the budget only.
        worker_options: the worker processes that train trials; None: trials are trained in this process.

    Raises:
        ConfigError: the experiment differs from that of the resumed run, or the chief cannot listen on its address.
        DataError: the data contradicts its manifest, or has changed since the run began.
        NoTrialError: no candidate completed.
        KeyboardInterrupt: Ctrl-C; the candidate that was being trained is recorded as KILLED.
    """
    began = time.monotonic()
    manifest = load_manifest(experiment.manifest, allow_code=experiment.allow_code)
    check_readouts(experiment, space_of(experiment, manifest))  # before encoding, which takes long
    if worker_options is not None:
        worker_options.check()
    if resume is not None:
        _check_same_experiment(resume, experiment)
    freeze_loaded_objects()
    reporter.stage("reading reviews")
    loaded = load(experiment, reporter.step)
    for line in change_lines(loaded.dataset.changes):
        reporter.stage(f"  {line}")
    check_folds(loaded, experiment)
    if resume is None:
        check_experiment(runs_dir, experiment.name, experiment.manifest, loaded.digest)
    encoders = encoder_sources(experiment, loaded)
    run = resume or create_run(runs_dir, experiment.name, _digest(experiment))
    with run.locked():
        reporter.began(run)
        spent = SpentTime(run, began)
        with spent.kept():
            _search_in_folder(run, experiment, loaded, encoders, spent, tracker, reporter, worker_options)
    return run


def _search_in_folder(
    run: Run,
    experiment: Experiment,
    loaded: Loaded,
    encoders: Sequence[TextSource | ImageSource],
    spent: SpentTime,
    tracker: Tracker,
    reporter: Reporter,
    worker_options: WorkerOptions | None,
) -> None:
    """Run the search in its locked run folder."""
    check_same_data(run, experiment, loaded, encoders)
    resumed = (run.folder / "config.yaml").is_file()
    write_atomically(run.folder / "config.yaml", experiment.to_yaml().encode())  # a resume may have another budget

    def before_encoding(expected: EncodingTime) -> None:
        begun = bool(run.candidates())
        words = check_encoding(experiment, expected, spent.seconds(), resumed=resumed, begun=begun)
        reporter.stage(f"encoding{words and f' ({words})'}")

    with _logged_to(run):
        judged = with_recorded_evaluation(experiment, run, loaded)
        judging = folds_of(loaded, judged)
        log.info("%s", judging.why)
        if judging.warning:
            log.warning("%s", judging.warning)
        spent.stage("encoding")
        setup = prepare(judged, loaded, encoders, reporter.step, before_encoding)
        check_same_rows(run, setup)
        description = run.read("manifest.json")
        if not description:
            _write_description(run, setup)
        elif setup.word_idf is not None and not description.get("words"):  # of a run from before words
            write_atomically(run.folder / WORDS_FILE, idf_to_bytes(setup.word_idf))
            run.write("manifest.json", {**description, "words": describe(setup)["words"]})
        run.repair()
        run.reopen()
        status = "FAILED"
        try:
            tracker.begin(run, flatten(experiment.model_dump(mode="json")), _dataset(setup))
            search = Search(setup, run, tracker, reporter, spent.end(experiment.budget.time))
            for reason in dict.fromkeys(search.bench.without_effect.values()):
                names = [name for name, why in search.bench.without_effect.items() if why == reason]
                log.info("not varied, because %s: %s", reason, ", ".join(names))
            try:
                summary = _run_stages(search, loaded, worker_options, spent)
                spent.stage("evidence")
                gather_in_budget(search, SECTIONS, spent.seconds())
            except KeyboardInterrupt:
                search.recorder.record_interrupted()
                status = "KILLED"
                raise
            status = "FINISHED"
            _end(run, tracker, status, summary)
        except BaseException as error:
            if status != "FINISHED":
                _end(run, tracker, status, {"cause": f"{type(error).__name__}: {error}"})
            raise


def _end(run: Run, tracker: Tracker, status: str, summary: dict[str, Any]) -> None:
    """Record how the session ended; `automm sync` reports the same later if the store does not answer now."""
    run.write("ended.json", {"status": status, "summary": summary})
    tracker.end(status, summary)


def _run_stages(
    search: Search, loaded: Loaded, worker_options: WorkerOptions | None, spent: SpentTime
) -> dict[str, Any]:
    """Run baselines, trials, tier 2 and the ensemble, evaluate the finalists, and return a summary of the result.

    Raises:
        NoTrialError: no candidate completed; or the search was given up without a completed trial, after the baselines
            were evaluated.
    """
    given_up, pace = "", Pace()
    tail = Tail(search.setup, len(loaded.other_folds), pace.slowness)
    try:
        with interruptible():
            again = search.setup.experiment.training.seeds - 1
            search.keep(lambda: tail.seconds(search.ranking.ranked(), tuned=False, seeds=again))
            _run_baselines_and_trials(search, len(loaded.other_folds), worker_options, pace, spent)
            search.keep(lambda: tail.seconds(search.ranking.ranked(), tuned=True))
            if search.setup.experiment.budget.trials:
                spent.stage("seeds")
                train_other_seeds(search)
            spent.stage("tier2")
            finish_end_to_end(search)
            if search.setup.experiment.budget.trials:
                fine_tune(search)
            spent.stage("ensemble")
            run_ensemble(search)
    except GiveUp as error:
        if search.ranking.best() is None:
            raise
        log.warning("%s. The search ends early; completed candidates are evaluated", error)
        given_up = str(error)
    if search.ranking.best() is None:
        raise NoTrialError(_nothing_completed(search))
    spent.stage("finalists")
    summary = evaluate_finalists(search, loaded)
    if given_up and not search.budget.trials_done():
        raise NoTrialError(
            f"no trial completed: {given_up}. See {search.run.folder}/log.txt; the baselines are in automm leaderboard"
        )
    return summary


def _run_baselines_and_trials(
    search: Search, other_folds: int, worker_options: WorkerOptions | None, pace: Pace, spent: SpentTime
) -> None:
    search.reporter.stage("baselines")
    spent.stage("baselines")
    run_baselines(search)
    if not search.may_continue():
        return
    wanted = estimate(search.setup, other_folds, search.budget.seconds_to_deadline())
    search.reporter.stage(f"search ({wanted})")
    spent.stage("trials")
    if problem := disk_warning(wanted, str(search.run.folder)):
        log.warning("%s", problem)
    # KerasTuner does not write its state files atomically; the oracle reads earlier trials from trials.jsonl instead.
    shutil.rmtree(search.run.folder / "tuner", ignore_errors=True)
    if worker_options is None:
        tune(search.bench, search, "tuner", session=search)
    else:
        pace.hold()
        with without_stdout(), Workers(search, worker_options) as workers:
            tune(search.bench, search, "tuner", session=search, serve=workers.serve)
    if search.budget.out_of_patience():
        patience = search.setup.experiment.budget.patience
        search.reporter.stage(
            f"the search ends early: its best score, corrected for selection, did not improve in {patience} trials "
            "(budget.patience)"
        )
    if search.may_continue():
        log.warning("All points of the search space have been tried. The search ends before its budget is used up")


def _write_description(run: Run, setup: Setup) -> None:
    """Write the files that describe a run; manifest.json comes last and marks them as complete."""
    run.write("environment.json", environment())
    texts = [source for source in setup.sources if isinstance(source, TextSource)]
    description = describe(setup)
    for source, name in zip(texts, tokenizer_files(description["encoders"]), strict=True):
        write_atomically(run.folder / name, source.preprocessing.to_dict()["tokenizer"].encode())
    vocabulary = "".join(f"{token}\n" for token in texts[0].vocabulary)
    write_atomically(run.folder / "vocab.txt", vocabulary.encode())
    if setup.word_idf is not None:
        write_atomically(run.folder / WORDS_FILE, idf_to_bytes(setup.word_idf))
    write_atomically(run.folder / judged_rows.FILE, setup.judged_rows.to_bytes())
    run.write("manifest.json", description)


def environment() -> dict[str, Any]:
    """Return environment.json: package versions, machine, devices and git commit."""
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "devices": [device.device_type for device in tf.config.list_physical_devices()],
        "commit": _commit(),
    }


def _commit() -> str:
    """Return the git commit of the working directory; '' outside a checkout."""
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def _dataset(setup: Setup) -> dict[str, Any]:
    return {
        "name": setup.dataset.manifest.name,
        "source": str(setup.experiment.manifest),
        "fingerprint": setup.digest,
        "rows": {name: len(rows) for name, rows in setup.splits.items()},
    }


def _digest(experiment: Experiment) -> str:
    return hashlib.sha256(experiment.to_yaml().encode()).hexdigest()


def _check_same_experiment(run: Run, experiment: Experiment) -> None:
    before = flatten(experiment_of(run).model_dump(mode="json"))
    after = flatten(experiment.model_dump(mode="json"))
    keys = {key for key in before | after if key.split(".")[0] not in CHANGEABLE and not key.startswith(MOVED)}
    changed = sorted(key for key in keys if before.get(key) != after.get(key))
    if changed:
        raise ConfigError(
            [
                Problem(
                    "other_experiment",
                    f"--resume {run.name}",
                    f"{key} was {json.dumps(before.get(key))} and is {json.dumps(after.get(key))}",
                    "Restore it, or start a new run; a resumed run may change only its budget"
                    + (f", and {MOVED} has the new place of a folder" if key.startswith("encoders.") else ""),
                )
                for key in changed
            ]
        )


def _nothing_completed(search: Search) -> str:
    failed = [candidate for candidate in search.candidates if candidate.error]
    if not failed:
        return "no candidate was run: no baseline is chosen and the budget allows no trial, or no time was left"
    last = failed[-1]
    return (
        f"no candidate completed. The last, {last.name}: {last.error.splitlines()[0]}. See {search.run.folder}/log.txt"
    )


@contextmanager
def _logged_to(run: Run) -> Iterator[None]:
    """Copy log messages into the run's log.txt while the body runs."""
    handler = logging.FileHandler(run.folder / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
