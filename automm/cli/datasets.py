"""The commands that prepare a data set: import, datasets and init."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from automm.cli.app import AllowCode, app, check_output, say_next
from automm.cli.screen import print_json, say, show
from automm.errors import ConfigError


@app.command(name="import")
def import_(
    format: Annotated[str, typer.Argument(help="The format: auto, or one that 'automm datasets' lists.")],
    source: Annotated[Path | None, typer.Argument(metavar="SRC", help="The folder or file of the data set.")] = None,
    *,
    to: Annotated[Path, typer.Option("--to", help="A new or empty folder.")],
    option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE sets a format option. Repeatable.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="KEY=VALUE replaces a field. Repeatable.")] = None,
    copy_images: Annotated[
        bool, typer.Option("--copy-images", help="Copy the pictures instead of referring to them.")
    ] = False,
    allow_code: AllowCode = False,
) -> None:
    """Convert a native layout to a manifest.

    The folder gets manifest.yaml and reviews.jsonl. The pictures stay where they are, and the manifest refers to them,
    unless --copy-images is given or the source is a Parquet file that contains them.

    A manifest can also read the layout in place, without conversion (format: FORMAT, path: SRC).

    \b
    Examples:
      automm import mvsa MVSA_Single/ --to mvsa/
      automm import MVSA_Single/ --to mvsa/
      automm import yelp yelp/ --to yelp-shops/ --option unit=business
      automm import train-00000-of-00001.parquet --to reviews/
    """
    from automm.cli.onboarding import has_label, report_columns
    from automm.data.change_kinds import change_lines
    from automm.data.layouts import LAYOUTS
    from automm.data.onboarding.import_layout import AUTO, import_data

    if source is None:  # automm import DIR
        if format in LAYOUTS:
            raise ConfigError(f"no folder after the format {format!r}. Name it: automm import {format} SRC --to {to}")
        format, source = AUTO, Path(format)
    check_output(to, is_folder=True)
    done = import_data(
        format,
        source,
        to,
        options=_pairs("--option", option),
        fields=_pairs("--field", field),
        copy_images=copy_images,
        allow_code=allow_code,
    )
    for line in change_lines(done.changes):
        say(line)
    report_columns(done.roles, done.reasons)
    copied = f", {done.pictures:,} pictures written" if done.pictures else ""
    say(f"{done.records:,} records{copied}")
    show(done.manifest)
    if has_label(done.manifest, allow_code):
        say_next(f"automm check {to / 'manifest.yaml'}")
    else:
        say_next(f"automm predict BUNDLE {to / 'manifest.yaml'}   or, to learn, name the label in fields.label")


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="A data set, to show everything known about it.")] = None,
    format: Annotated[Literal["table", "json"], typer.Option(help="Output format; json for scripts.")] = "table",
) -> None:
    """List the known data sets, or show one.

    The list shows format, size and licence. For one data set the command also shows how to get it, and published
    results.

    \b
    Examples:
      automm datasets
      automm datasets hateful-memes
      automm datasets --format json
    """
    from automm.cli import tables
    from automm.data.catalogue import find_dataset, known_datasets

    if name is not None:
        entry = find_dataset(name)
        if format == "json":
            print_json(entry.to_dict())
        else:
            tables.dataset(entry.to_dict())
        return
    rows = [entry.to_dict() for entry in known_datasets()]
    if format == "json":
        print_json(rows)
    else:
        columns = ("name", "format", "size", "licence")
        tables.table(columns, [[str(row[column] or "-") for column in columns] for row in rows])
        say_next(f"automm datasets {rows[0]['name']}")


@app.command()
def init(
    path: Annotated[
        Path, typer.Argument(help="A records file (.jsonl .json .csv .tsv .parquet .xlsx), or a folder with one.")
    ],
    to: Annotated[
        Path | None, typer.Option("--to", help="The manifest to write. Default: manifest.yaml beside the records.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The column to predict; none for a manifest to predict with.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A column of texts. Repeatable.")] = None,
    images: Annotated[
        list[str] | None, typer.Option(help="A column or pattern of pictures, or none. Repeatable.")
    ] = None,
    id: Annotated[str | None, typer.Option(help="The column of ids.")] = None,
    task: Annotated[str | None, typer.Option(help="The task, such as regression. Default: guessed.")] = None,
    quotes: Annotated[
        bool | None, typer.Option("--quotes/--no-quotes", help="Whether cells may be quoted. Default: detected.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="The text encoding, such as gb18030. Default: detected.")] = None,
) -> None:
    """Write a first manifest for a records file.

    The command guesses what each column means, and prints a table with the reason for each guess. On a terminal it asks
    for the label if several columns, or none, may be it; otherwise it names the columns and the option to set.

    \b
    Examples:
      automm init reviews.csv
      automm init reviews.csv --label stars --text title --text body
      automm init downloads/reviews/ --to phones/manifest.yaml
    """
    from automm.cli.onboarding import given_fields, report_columns, write_or_ask

    check_output(to or (path if path.is_dir() else path.parent) / "manifest.yaml")
    given = given_fields(label, text, images, id)
    manifest, guess = write_or_ask(path, to, given=given, encoding=encoding, quotes=quotes, task=task)
    report_columns(guess.roles, guess.reasons)
    show(manifest)
    shown = to or (path if path.is_dir() else path.parent) / "manifest.yaml"
    if "label" not in guess.content["fields"]:
        say_next(f"automm predict BUNDLE {shown}")
    else:
        say_next(f"automm {'fetch-images' if guess.fetches else 'check'} {shown}")


def _pairs(flag: str, given: list[str] | None) -> dict[str, Any]:
    """Parse KEY=VALUE pairs, the values as YAML; a later pair replaces an earlier one with the same key."""
    from automm.config.strict_yaml import read_setting

    return dict(read_setting(flag, pair, "year=2015") for pair in given or [])
