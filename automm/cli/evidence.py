"""The evidence command: it computes what did not fit into the budget of a search."""

import sys
from typing import Annotated

import typer

from automm.cli.app import AllowCode, RunsDir, app, code_flag, import_tensorflow, say_next
from automm.cli.screen import say, show
from automm.errors import EXIT_INTERRUPTED, NotFoundError
from automm.paths import RUNS, runs_flag


@app.command()
def evidence(
    run: Annotated[str, typer.Argument(help="A run: its name, folder or MLflow id, or latest.")],
    allow_code: AllowCode = False,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Compute the evidence left out by a search.

    What each modality is worth, and what more reviews would add, as far as it did not fit into the budget. There is no
    time limit. Finished trainings are kept, also if the command is interrupted.

    \b
    Examples:
      automm evidence latest
    """
    from automm.config.experiment import load_experiment
    from automm.tracking.run_folder import find_run

    found, flags = find_run(runs_dir, run), runs_flag(runs_dir)
    if not found.read("result.json"):
        raise NotFoundError(f"{found.name} has no result yet. Finish it: automm search --resume {found.name}{flags}")
    experiment = load_experiment(found.folder / "config.yaml", allow_code=allow_code)
    import_tensorflow()
    from automm.cli import tables
    from automm.cli.progress import ConsoleReporter
    from automm.evaluate.evidence.lines import five_lines
    from automm.search.evidence.later import complete_evidence

    reporter = ConsoleReporter(tables.console(sys.stderr), 0, experiment.objective.removeprefix("val_"))
    try:
        complete_evidence(found, experiment, reporter)
    except KeyboardInterrupt:
        reporter.close()
        say("interrupted: the finished trainings are kept")
        say_next(f"automm evidence {found.name}{flags}{code_flag(allow_code)}")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        reporter.close()
    for line in five_lines(found.read("result.json"), f"automm evidence {found.name}{flags}"):
        show(line)
