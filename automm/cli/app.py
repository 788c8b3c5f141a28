"""What all commands share: the application, common options, and the `next:` line."""

import os
from pathlib import Path
from typing import Annotated

import typer

from automm.cli.screen import say
from automm.paths import check_writable, runs_flag

app = typer.Typer(
    name="automm",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "AutoML for reviews with text and pictures.\n\n"
        "Start with: automm demo demo/ && automm search demo/manifest.yaml"
    ),
)

RunsDir = Annotated[Path, typer.Option("--runs-dir", help="The folder of all runs.")]
TrackingUri = Annotated[
    str | None,
    typer.Option("--tracking-uri", help="The MLflow store. Default: MLFLOW_TRACKING_URI, else RUNS_DIR/mlflow.db."),
]
AllowCode = Annotated[
    bool,
    typer.Option("--allow-code", help="Allow the manifest to run your own reader (format: my_module:my_reader)."),
]


def code_flag(allow_code: bool) -> str:
    """Return the flag that the suggested next command needs to run the same reader."""
    return " --allow-code" if allow_code else ""


def where_flags(runs_dir: Path, tracking_uri: str | None) -> str:
    """Return the flags that the suggested next command needs to find the same runs and MLflow store."""
    return runs_flag(runs_dir) + (f" --tracking-uri {tracking_uri}" if tracking_uri else "")


def check_output(path: Path, *, is_folder: bool = False) -> None:
    """Check before any work that the file or folder of --to can be written. Raises ConfigError."""
    check_writable(path if is_folder else path.absolute().parent, f"--to {path}", "Name another place: --to PATH")


def check_runs_dir(runs_dir: Path) -> None:
    """Check before any work that runs can be written. Raises ConfigError."""
    check_writable(runs_dir, f"--runs-dir {runs_dir}", "Name another folder: --runs-dir DIR")


def say_next(command: str) -> None:
    """Print the command that most users run next, on stderr."""
    say(f"next: {command}")


def import_tensorflow() -> None:
    """Import TensorFlow without the lines about missing GPUs that its C++ code writes to stderr."""
    import tempfile

    saved = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            import tensorflow as tf

            from automm.models.devices import let_memory_grow

            let_memory_grow(tf.config)
        except BaseException:
            captured.seek(0)
            os.write(saved, captured.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
    tf.get_logger().setLevel("ERROR")
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
