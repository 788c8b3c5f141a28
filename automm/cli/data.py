"""The commands that need only reviews: demo, check and fetch-images."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from automm.cli.app import AllowCode, app, check_output, code_flag, say_next
from automm.cli.screen import print_json, say, show
from automm.errors import (
    EXIT_DATA,
    EXIT_INTERRUPTED,
    UNNAMED,
    AutommError,
    ConfigError,
    Problem,
    ProblemsError,
    kinds_of,
)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    reviews: Annotated[int, typer.Option(min=60, max=20_000, help="The number of reviews.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="The random seed; the same seed writes the same data.")] = 1,
) -> None:
    """Write demo data to try automm with.

    The folder gets a manifest, reviews and pictures.

    \b
    Examples:
      automm demo demo/
      automm demo big-demo/ --reviews 2000 --seed 7
    """
    from automm.data.demo.generate import write_demo

    show(write_demo(folder, reviews=reviews, seed=seed))
    say_next(f"automm check {folder / 'manifest.yaml'}")


@app.command()
def check(
    manifest: Annotated[Path, typer.Argument(help="The manifest of the data set.")],
    allow_code: AllowCode = False,
    to: Annotated[Path | None, typer.Option(help="Also write the report to this HTML file, with pictures.")] = None,
    near_texts: Annotated[bool, typer.Option("--near-texts", help="Also find nearly equal texts.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 3 on warnings too.")] = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="Output format; json for scripts.")] = "table",
) -> None:
    """Validate reviews and report their quality.

    Errors prevent a search from starting. Warnings do not, but the result of the search would mislead. Notes are
    informational. The exit code is 3 if there are errors, with --strict also if there are warnings.

    If the reviews cannot be read, --format json prints {"ok": false, "kinds": [...], "problems": [...]}, and the report
    of an earlier check is removed.

    \b
    Examples:
      automm check demo/manifest.yaml
      automm check demo/manifest.yaml --to report.html
      automm check demo/manifest.yaml --format json --strict
    """
    from automm.cli import tables
    from automm.data.quality.html import remove_page, write_page
    from automm.data.quality.run import check as check_manifest
    from automm.data.quality.terminal import render
    from automm.models.encoders.automatic import reading_of

    if to is not None and to.is_dir():
        raise ConfigError(f"--to {to} is a folder, not a file. Name a file in it: --to {to / 'report.html'}")
    if to is not None:
        check_output(to)
    try:
        report = check_manifest(manifest, allow_code=allow_code, with_near_texts=near_texts, reading_of=reading_of)
    except (AutommError, OSError) as error:
        if format == "json":
            problems = error.problems if isinstance(error, ProblemsError) else [Problem(UNNAMED, "", str(error))]
            lines = [str(problem) for problem in problems]
            print_json({"ok": False, "clean": False, "kinds": kinds_of(problems), "problems": lines})
        if to is not None and remove_page(to):
            say(f"removed: {to}, the report of an earlier check")
        raise
    if format == "json":
        print_json(report.to_dict())
    else:
        render(report, tables.console(sys.stdout))
    if to is not None:
        write_page(report, to)
        say(f"report: {to}")
    if not (report.clean if strict else report.ok):
        raise typer.Exit(EXIT_DATA)
    say_next(f"automm search {manifest}{code_flag(allow_code)}")


@app.command("fetch-images")
def fetch_images(
    manifest: Annotated[Path, typer.Argument(help="The manifest of the data set.")],
    connections: Annotated[int, typer.Option(min=1, max=32, help="The number of parallel downloads.")] = 8,
    allow_code: AllowCode = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="Output format; json for scripts.")] = "table",
) -> None:
    """Download the pictures that are given as URLs.

    Pictures that were downloaded before are not requested again. The exit code is 3 if pictures are still missing:
    fetched/missing.jsonl under image_root lists each with its reason.

    \b
    Examples:
      automm fetch-images reviews/manifest.yaml
      automm fetch-images reviews/manifest.yaml --connections 16
    """
    from automm.cli import tables
    from automm.cli.progress import ConsoleReporter
    from automm.data.download.job import fetch_pictures

    reporter = ConsoleReporter(tables.console(sys.stderr), 0, "")
    try:
        done = fetch_pictures(manifest, reporter.step, at_once=connections, allow_code=allow_code)
    except KeyboardInterrupt:
        say("interrupted: the pictures fetched so far are kept")
        say_next(f"automm fetch-images {manifest}{code_flag(allow_code)}")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        reporter.close()
    if format == "json":
        print_json(done.to_dict())
    else:
        tables.fetched_table(done)
    if done.missing:
        again = f"automm fetch-images {manifest}{code_flag(allow_code)}"
        say_next(f"{again}   or, in the manifest, images: {{on_bad: drop-image}}")
        raise typer.Exit(EXIT_DATA)
    say_next(f"automm check {manifest}{code_flag(allow_code)}")
