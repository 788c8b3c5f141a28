"""The commands that bring data sets in: the known ones, native layouts, somebody's own records."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from automm.cli.app import AllowCode, app, say_next
from automm.cli.screen import print_json, say, show
from automm.errors import ConfigError


@app.command(name="import")
def import_(
    format: Annotated[str, typer.Argument(help="A format; without it, the one that SRC looks like.")],
    source: Annotated[Path | None, typer.Argument(metavar="SRC", help="The data set's folder, or its file.")] = None,
    *,
    to: Annotated[Path, typer.Option("--to", help="A new or an empty folder.")],
    option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, an option of the format. Repeatable.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="KEY=VALUE over the format's fields. Repeatable.")] = None,
    copy_images: Annotated[
        bool, typer.Option("--copy-images", help="Copy the pictures instead of naming them.")
    ] = False,
    allow_code: AllowCode = False,
) -> None:
    """Turn a data set in its native layout into DIR/manifest.yaml and DIR/reviews.jsonl.

    A manifest can also read the layout in place (format: FORMAT, path: SRC), without conversion. The pictures stay
    where they are, and the manifest says where, unless --copy-images.

    Examples: automm import mvsa MVSA_Single/ --to mvsa/; automm import MVSA_Single/ --to mvsa/;
    automm import yelp yelp/ --to yelp-shops/ --option unit=business;
    automm import train-00000-of-00001.parquet --to reviews/, where pictures lie inside
    """
    from automm.data.changes import change_lines
    from automm.data.layouts import LAYOUTS
    from automm.data.onboarding.import_layout import AUTO, import_data

    if source is None:  # automm import DIR
        if format in LAYOUTS:
            raise ConfigError(f"name the folder of the data set, too: automm import {format} SRC --to {to}")
        format, source = AUTO, Path(format)
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
    for key, reason in done.reasons.items():
        say(f"{key}: {reason}")
    copied = f", {done.pictures:,} pictures written" if done.pictures else ""
    say(f"{done.records:,} records{copied}")
    show(done.manifest)
    say_next(f"automm check {to / 'manifest.yaml'}")


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="One of them, with all that is known of it.")] = None,
    format: Annotated[Literal["table", "json"], typer.Option(help="json for pipes.")] = "table",
) -> None:
    """The known data sets of this shape: format, size, licence, how to get them, published results.

    Examples: automm datasets; automm datasets hateful-memes; automm datasets --format json
    """
    from automm.cli import tables
    from automm.data.catalogue import find_dataset, known_datasets

    if name is not None:
        known = find_dataset(name)
        if format == "json":
            print_json(known.to_dict())
        else:
            tables.dataset(known.to_dict())
        return
    rows = [known.to_dict() for known in known_datasets()]
    if format == "json":
        print_json(rows)
    else:
        columns = ("name", "format", "size", "licence")
        tables.table(columns, [[str(row[column] or "-") for column in columns] for row in rows])
        say_next(f"automm datasets {rows[0]['name']}")


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="A records file: .jsonl, .json, .csv, .tsv or .parquet.")],
    to: Annotated[Path | None, typer.Option("--to", help="The manifest; manifest.yaml beside FILE if none.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of the text, such as gb18030; the one that it looks like if none.")
    ] = None,
) -> None:
    """Look at a records file and write a first manifest for it, with the reason of each guess.

    Examples: automm init reviews.csv; automm init reviews.csv --encoding gb18030
    """
    from automm.data.onboarding.init import write_first_manifest

    manifest, reasons = write_first_manifest(file, to, encoding=encoding)
    for key, reason in reasons.items():
        say(f"{key}: {reason}")
    show(manifest)
    say_next(f"automm check {to or file.parent / 'manifest.yaml'}")


def _pairs(flag: str, given: list[str] | None) -> dict[str, Any]:
    """KEY=VALUE pairs, the value as YAML; of a key that is given twice the later."""
    from automm.config.strict_yaml import read_setting

    return dict(read_setting(flag, pair, "year=2015") for pair in given or [])
