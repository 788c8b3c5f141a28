"""MM-IMDb: plots and posters of films, and their genres (Arevalo and others 2017, arXiv 1702.01992).

    split.json {"train": [id], "dev": [id], "test": [id]}
    dataset/<id>.json, dataset/<id>.jpeg      or, in another version, labels/<id>.json and images/<id>.jpeg

A film has several genres; `fields: {label: {column: genres, pick: first}}` takes the first.
"""

from collections.abc import Iterator

from automm.data.change_kinds import Change
from automm.data.layouts.base import Layout, Reading, has_files
from automm.data.layouts.files import SPLIT_NAMES, read_small_object
from automm.data.records.source import Record
from automm.data.sections import Fields

SPLIT_FILE = "split.json"
PLACES = (("dataset", "dataset"), ("labels", "images"))  # folders of the JSON files and the posters


def read(reading: Reading) -> Iterator[Record]:
    """Yield the columns of each film, with id, plots (without their authors), poster and split."""
    texts, posters = next(pair for pair in PLACES if (reading.path / pair[0]).is_dir())
    listed = _listed(reading)
    present = {file.stem for file in (reading.path / texts).glob("*.json")}
    if listed and (outside := present - {name for name, _ in listed}):
        reading.changes[Change.NOT_LISTED] += len(outside)
    for name, split in listed or [(name, None) for name in sorted(present)]:
        file = f"{texts}/{name}.json"
        values = read_small_object(reading, file, SPLIT_FILE if listed else file)
        if values is not None:
            own = {"id": name, "plots": _plots(values), "poster": f"{posters}/{name}.jpeg", "split": split}
            yield Record(file, values | own, name)


MM_IMDB = Layout(
    looks_for="dataset/<id>.json and dataset/<id>.jpeg (or labels/ and images/), and split.json",
    fits=has_files(("dataset/*.json", "labels/*.json"), ("dataset/*.jpeg", "images/*.jpeg")),
    fields=Fields(id="id", text=("title", "plots"), images=("poster",), label="genres"),
    read=read,
    split="split",
)


def _listed(reading: Reading) -> list[tuple[str, str | None]]:
    """Return the films of split.json with their split; [] without the file."""
    if not (reading.path / SPLIT_FILE).is_file():
        return []
    films: list[tuple[str, str | None]] = []
    for key, names in (read_small_object(reading, SPLIT_FILE, SPLIT_FILE) or {}).items():
        split = SPLIT_NAMES.get(key)
        if split is None or not isinstance(names, list):
            reading.problem(SPLIT_FILE, f"expected lists of ids under train, dev and test, got {key!r}")
            continue
        for name in names:
            if isinstance(name, str) and name.isascii() and name.isalnum():
                films.append((name, split))
            else:
                reading.problem(SPLIT_FILE, f"{str(name)[:40]!r} in {key!r} is not an id")
    return films


def _plots(values: dict[str, object]) -> list[str]:
    """Return the plots, each without the "::author" at its end; without a plot, the outline."""
    plots = values.get("plot") or values.get("plot outline") or []
    plots = [plots] if isinstance(plots, str) else plots
    return [str(plot).partition("::")[0] for plot in plots] if isinstance(plots, list) else []
