"""The commands that need reviews only: write the demo, look at a data set, fetch its pictures."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from automm.cli.app import AllowCode, app, code_flag, say_next
from automm.cli.screen import print_json, say, show
from automm.errors import EXIT_DATA, EXIT_INTERRUPTED, AutommError, ConfigError


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="A new or an empty folder.")],
    reviews: Annotated[int, typer.Option(min=60, max=20_000, help="How many reviews.")] = 600,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Write the demo data: a manifest, reviews and pictures.

    Example: automm demo demo/
    """
    from automm.data.demo.generate import write_demo

    show(write_demo(folder, reviews=reviews, seed=seed))
    say_next(f"automm check {folder / 'manifest.yaml'}")


@app.command()
def check(
    manifest: Annotated[Path, typer.Argument(help="A manifest.")],
    allow_code: AllowCode = False,
    to: Annotated[Path | None, typer.Option(help="Write the report as one HTML page, with pictures.")] = None,
    near_texts: Annotated[bool, typer.Option("--near-texts", help="Also find texts that are nearly the same.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings, too, end with exit code 3.")] = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="json for pipes.")] = "table",
) -> None:
    """Validate a manifest and its reviews, and report on their quality.

    An error keeps a search from starting, a warning says that its result would mislead, a note is to be known.
    Exit code 3 where there is an error; with --strict also where there is a warning. Where the reviews cannot be read,
    --format json prints {"ok": false, "problems": [...]}, and a page that an earlier check has written is removed.

    Example: automm check demo/manifest.yaml --to report.html
    """
    from automm.cli import tables
    from automm.data.quality.html import remove_page, write_page
    from automm.data.quality.run import check as check_manifest
    from automm.data.quality.terminal import render

    if to is not None and to.is_dir():
        raise ConfigError(f"--to {to} is a folder, expected a file. Name one in it: --to {to / 'report.html'}")
    try:
        report = check_manifest(manifest, allow_code=allow_code, with_near_texts=near_texts)
    except (AutommError, OSError) as error:
        if format == "json":
            print_json({"ok": False, "clean": False, "problems": getattr(error, "lines", [str(error)])})
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
    manifest: Annotated[Path, typer.Argument(help="A manifest.")],
    connections: Annotated[int, typer.Option(min=1, max=32, help="How many pictures at once.")] = 8,
    allow_code: AllowCode = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="json for pipes.")] = "table",
) -> None:
    """Fetch the pictures that records name by URL; what is there already is not asked for again.

    Exit code 3 where some are missing: DIR/fetched/missing.jsonl under image_root says which and why.

    Example: automm fetch-images reviews/manifest.yaml
    """
    from automm.cli import tables
    from automm.cli.progress import ConsoleReporter
    from automm.data.download.job import fetch_pictures

    reporter = ConsoleReporter(tables.console(sys.stderr), 0, "")
    try:
        done = fetch_pictures(manifest, reporter.step, at_once=connections, allow_code=allow_code)
    except KeyboardInterrupt:
        say("interrupted: what was fetched is kept")
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
