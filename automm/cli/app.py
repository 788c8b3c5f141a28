"""What all commands share: the application, the options that many take, and what is to be typed next."""

import os
from pathlib import Path
from typing import Annotated

import typer

from automm.cli.screen import say

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
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Run the reader that the manifest names (format: my_module:my_reader).")
]
RUNS = Path("runs")


def code_flag(allow_code: bool) -> str:
    """What a command that is to be typed next needs for it."""
    return " --allow-code" if allow_code else ""


def where_flags(runs_dir: Path, tracking_uri: str | None) -> str:
    """What a command that is to be typed next needs to find the same runs, and the same store."""
    flags = "" if runs_dir == RUNS else f" --runs-dir {runs_dir}"
    return flags + (f" --tracking-uri {tracking_uri}" if tracking_uri else "")


def say_next(command: str) -> None:
    say(f"next: {command}")


def import_tensorflow() -> None:
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
