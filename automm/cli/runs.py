"""The commands about finished runs: compare, export, predict, and what MLflow shows of them."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from automm.cli.app import RUNS, RunsDir, TrackingUri, app, import_tensorflow, say_next
from automm.cli.screen import print_json, say, show


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
    from automm.deliver.checks import choose, fresh_folder
    from automm.tracking.runs import find_run

    found = find_run(runs_dir, run)
    fresh_folder(to)
    choose(found, trial)
    import_tensorflow()
    from automm.deliver.export import export_candidate

    candidate = export_candidate(found, trial, to, format)
    say(f"{candidate.name}, {candidate.parameters:,} parameters")
    show(to)
    if format == "keras":
        say_next(f"automm predict {to} REVIEWS --to predictions.jsonl")


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="A folder that automm export wrote.")],
    reviews: Annotated[Path, typer.Argument(help="A manifest, or a records file.")],
    to: Annotated[Path, typer.Option("--to", help="A JSON Lines file.")],
    image_root: Annotated[Path | None, typer.Option(help="Where the pictures are, if not where they were.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say too what each answer hangs on.")] = False,
) -> None:
    """Predict reviews; labels are not needed. A line each: id, label, probabilities, error.

    With --explain also by how much the answer would change without each modality and each picture, and the weight that
    the model's attention gives each picture. That takes several times as long.

    Examples: automm predict model/ demo/reviews.jsonl --to predictions.jsonl; ... --explain
    """
    from automm.deliver.checks import read_about
    from automm.deliver.opened import open_reviews

    opened = open_reviews(read_about(bundle), reviews, image_root)
    import_tensorflow()
    from automm.deliver.bundle import load_bundle
    from automm.deliver.predict import predict_file

    written = predict_file(load_bundle(bundle), reviews, to, explain=explain, opened=opened)
    say(f"{written.lines} reviews, {written.errors} with an error")
    if explain and written.poolings:
        say(f"weights of pictures: the mean over {written.poolings} poolings with attention")
    elif explain:
        say("weights of pictures are null: the model has no pooling with attention; effects are there for any model")
    show(to)


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
    from automm.tracking.mlflow_store import MlflowTracker
    from automm.tracking.runs import find_run
    from automm.tracking.sync import sync_run

    found = find_run(runs_dir, run)
    tracker = MlflowTracker(store(runs_dir, tracking_uri), runs_dir / "mlartifacts")
    show(sync_run(tracker, found))


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
    say(f"http://{host}:{port}   Ctrl-C ends it")
    raise typer.Exit(serve(store(runs_dir, tracking_uri), host, port))
