"""The commands about finished runs: leaderboard, compare, export, predict, sync and ui."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from automm.cli.app import RunsDir, TrackingUri, app, check_output, check_runs_dir, import_tensorflow, say_next
from automm.cli.screen import print_json, say, show
from automm.errors import ConfigError, DataError
from automm.paths import RUNS, runs_flag


@app.command(name="leaderboard")
def show_leaderboard(
    experiment: Annotated[str | None, typer.Argument(help="The name of an experiment. Default: all.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="The validation metric to rank by: macro_f1, accuracy, loss, mae or rmse.")
    ] = None,
    format: Annotated[
        Literal["table", "json", "csv"], typer.Option(help="Output format. json, csv: for scripts.")
    ] = "table",
    runs_dir: RunsDir = RUNS,
) -> None:
    """Rank the baselines and trials of all runs.

    Candidates are ranked within each experiment, the best first; without --metric, by the objective of their search.

    \b
    Examples:
      automm leaderboard
      automm leaderboard demo --metric accuracy
      automm leaderboard demo --format json
    """
    from automm.cli import tables
    from automm.evaluate.leaderboard import leaderboard, to_csv

    rows = leaderboard(runs_dir, experiment, metric)
    if format == "json":
        print_json(rows)
    elif format == "csv":
        show(to_csv(rows), end="")
    else:
        tables.leaderboard_table(rows, with_run=True)


@app.command()
def compare(
    run_a: Annotated[str, typer.Argument(help="A run: its name, folder or MLflow id, or latest.")],
    run_b: Annotated[str, typer.Argument(help="Another run that was tested on the same reviews.")],
    format: Annotated[Literal["table", "json"], typer.Option(help="Output format. json: for scripts.")] = "table",
    runs_dir: RunsDir = RUNS,
) -> None:
    """Compare two searches on the same test split.

    The difference of their choices, RUN_B minus RUN_A, with 95 % intervals, and what differs in configuration and data.

    \b
    Examples:
      automm compare 20260101-120000-3f2a1b latest
      automm compare 20260101-120000-3f2a1b latest --format json
    """
    from automm.cli import tables
    from automm.evaluate.comparisons.runs import compare_runs
    from automm.tracking.run_folder import find_run

    compared = compare_runs(find_run(runs_dir, run_a), find_run(runs_dir, run_b))
    if format == "json":
        print_json(compared)
    else:
        tables.comparison_table(compared)


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A run: its name, folder or MLflow id, or latest.")],
    to: Annotated[Path, typer.Option("--to", help="A new or empty folder.")],
    trial: Annotated[str | None, typer.Option(help="A baseline or trial. Default: the best on validation.")] = None,
    format: Annotated[
        Literal["keras", "mlflow", "onnx"],
        typer.Option(help="keras: a bundle for 'automm predict'; mlflow: an MLflow pyfunc; onnx: an ONNX model."),
    ] = "keras",
    runs_dir: RunsDir = RUNS,
) -> None:
    """Export the best model, or any candidate.

    A bundle has everything that prediction needs: model, tokenizer, labels and a model card.

    \b
    Examples:
      automm export latest --to model/
      automm export latest --trial concatenation --to model/
      automm export latest --format onnx --to onnx-model/
    """
    from automm.deliver.checks import choose_candidate, comparisons, require_empty_folder
    from automm.tracking.run_folder import find_run

    found = find_run(runs_dir, run)
    require_empty_folder(to)
    check_output(to, is_folder=True)
    choose_candidate(found, trial)
    import_tensorflow()
    from automm.deliver.export import export_candidate

    candidate = export_candidate(found, trial, to, format)
    say(f"{candidate.name}, {candidate.parameters:,} parameters")
    if candidate.name not in comparisons(found):
        say("its whole model was not compared with the model on features that was measured")
    show(to)
    if format == "keras":
        say_next(f"automm predict {to} REVIEWS --to predictions.jsonl")


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="A folder that 'automm export' wrote.")],
    reviews: Annotated[Path, typer.Argument(help="The reviews: a manifest or a records file.")],
    to: Annotated[Path, typer.Option("--to", help="The JSON Lines file to write.")],
    image_root: Annotated[
        Path | None, typer.Option(help="The folder of the pictures. Default: as in the training manifest.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also show what each prediction depends on.")] = False,
    max_failed: Annotated[
        str, typer.Option(help="Exit with code 3 if more reviews than this have an error: N, or a share such as 5%.")
    ] = "100%",
) -> None:
    """Predict the labels of reviews.

    The reviews need no labels. Each gets one line: id, label, probabilities, picture_counts, error. The exit code is 3
    if no review could be predicted, or more than --max-failed could not.

    With --explain a line also says by how much the prediction would change without each modality and each picture, and
    the attention weight of each picture. This takes several times as long.

    \b
    Examples:
      automm predict model/ demo/reviews.jsonl --to predictions.jsonl
      automm predict model/ demo/reviews.jsonl --to predictions.jsonl --explain
      automm predict model/ demo/reviews.jsonl --to predictions.jsonl --max-failed 1%
    """
    allowed = _share_or_count(max_failed)
    from automm.deliver.checks import read_bundle_json
    from automm.deliver.input_reviews import open_reviews

    check_output(to)
    about = read_bundle_json(bundle)
    opened = open_reviews(about, reviews, image_root)
    import_tensorflow()
    from automm.deliver.bundle import load_bundle
    from automm.deliver.predict import predict_file

    written = predict_file(load_bundle(bundle), reviews, to, explain=explain, opened=opened)
    say(f"{written.lines:,} reviews, {written.errors:,} with an error")
    for code, (count, first) in written.failed.items():
        say(f"  {code}: {count:,}, the first: {first}")
    for line in written.pictures.lines:
        say(line)
    if warning := written.pictures.warning(about):
        say(f"warning: {warning}")
    if explain and written.poolings:
        say(f"attention weights of pictures: the mean over {written.poolings} attention poolings")
    elif explain:
        say("attention weights of pictures are null: the model has no attention pooling. Use the effects instead")
    show(to)
    if written.errors == written.lines:
        raise DataError(f"no review of {reviews} could be predicted. Correct the errors above and run it again")
    if written.errors > allowed(written.lines):
        failed = f"{written.errors:,} of {written.lines:,} reviews could not be predicted"
        raise DataError(f"{failed}, more than --max-failed {max_failed} allows. The others are in {to}")


def _share_or_count(text: str) -> Callable[[int], float]:
    """Parse N or P%: return the number of reviews that it allows of some.

    Raises:
        ConfigError: it is neither.
    """
    match = re.fullmatch(r"([0-9]+)|([0-9]+(?:\.[0-9]+)?) ?%", text.strip())
    if match is None:
        raise ConfigError(f"--max-failed {text}: expected a number of reviews or a percentage, such as 10 or 5%")
    count, percent = match.groups()
    return lambda reviews: int(count) if count else reviews * float(percent) / 100


@app.command()
def sync(
    run: Annotated[str, typer.Argument(help="A run: its name, folder or MLflow id, or latest.")],
    runs_dir: RunsDir = RUNS,
    tracking_uri: TrackingUri = None,
) -> None:
    """Log to MLflow what it missed of a run.

    Use it after an outage of the MLflow store. The run folder has the complete record.

    \b
    Examples:
      automm sync latest
      automm sync latest --tracking-uri http://127.0.0.1:5000
    """
    from automm.tracking.mlflow_server import tracking_uri as store
    from automm.tracking.mlflow_tracker import MlflowTracker
    from automm.tracking.run_folder import find_run
    from automm.tracking.sync import sync_run

    found = find_run(runs_dir, run)
    check_runs_dir(runs_dir)
    tracker = MlflowTracker(store(runs_dir, tracking_uri), runs_dir / "mlartifacts")
    show(sync_run(tracker, found))


@app.command()
def ui(
    runs_dir: RunsDir = RUNS,
    tracking_uri: TrackingUri = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the UI.")] = 5000,
    host: Annotated[
        str, typer.Option(help="The address to listen on. 127.0.0.1 is reachable from this machine only.")
    ] = "127.0.0.1",
) -> None:
    """Open the MLflow UI on the recorded runs.

    \b
    Examples:
      automm ui
      automm ui --port 5001
    """
    from automm.errors import NotFoundError
    from automm.tracking.mlflow_server import serve
    from automm.tracking.mlflow_server import tracking_uri as store

    if tracking_uri is None and "MLFLOW_TRACKING_URI" not in os.environ and not (runs_dir / "mlflow.db").is_file():
        raise NotFoundError(
            f"{runs_dir}: no runs in this folder. Start one: automm search MANIFEST{runs_flag(runs_dir)}"
        )
    say(f"http://{host}:{port}   (Ctrl-C stops it)")
    raise typer.Exit(serve(store(runs_dir, tracking_uri), host, port))
