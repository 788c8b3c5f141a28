"""The pictures that records name by URL, fetched to where reading looks for them."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automm.data.download.client import Downloader, RefusedError
from automm.data.download.urls import FOLDER, is_url, local_name
from automm.data.images.root import AbsentError, ImageRoot, OutsideError
from automm.data.manifest import load_manifest
from automm.data.records.field_values import cell_images
from automm.data.records.opening import open_source
from automm.errors import DataError, Problem

AT_ONCE = 8  # connections
REPORT = "missing.jsonl"

Progress = Callable[[str, int, int], None]  # what, done, of how many


@dataclass(frozen=True)
class Missing:
    """A picture that was not to be had: its URL, the first record that names it, and why."""

    url: str
    where: str
    reason: str


@dataclass(frozen=True)
class Fetched:
    """What `fetch_pictures` has done.

    Attributes:
        urls: distinct ones that the records name.
        there: were fetched before.
        fetched, bytes: now.
        missing: the others.
        folder: where pictures lie, and the report where any is missing.
    """

    urls: int
    there: int
    fetched: int
    bytes: int
    missing: tuple[Missing, ...]
    folder: Path

    @property
    def report(self) -> Path:
        """A line of JSON for each missing picture; absent where none is."""
        return self.folder / REPORT

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        missing = [asdict(one) for one in self.missing]
        return {**vars(self), "missing": missing, "folder": str(self.folder)}


def fetch_pictures(
    manifest_path: Path,
    progress: Progress | None = None,
    *,
    downloader: Downloader | None = None,
    at_once: int = AT_ONCE,
    allow_code: bool = False,
) -> Fetched:
    """Fetch every picture that the records of a manifest name by URL and that is not there yet.

    Whoever is interrupted goes on at the next call. A report of what is missing is left among the pictures.

    Args:
        progress: called as ("pictures fetched", done, of how many).
        downloader: how; the default keeps to public addresses.
        at_once: how many connections.
        allow_code: whether the manifest may name a reader of somebody's own.

    Raises:
        ConfigError, NotFoundError: the manifest, or its records.
        DataError: records that cannot be read, or an image root whose folder for pictures leads out of it.
    """
    downloader = downloader or Downloader()
    manifest = load_manifest(manifest_path, allow_code=allow_code)
    source = open_source(manifest)
    root = ImageRoot(source.image_root)
    wanted: dict[str, str] = {}
    problems: list[Problem] = []
    try:
        for record in source.rows:
            try:
                names = cell_images(record.values, source.fields)
            except ValueError as error:
                problems.append(Problem("cell", record.where, str(error)))
                continue
            for name in filter(is_url, names):
                wanted.setdefault(name, record.where)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(problems)
    folder = _folder(root, manifest.file.name)
    absent = [url for url in wanted if not _is_there(root, url)]
    results = _all(downloader, root, absent, at_once, progress)
    missing = tuple(Missing(url, wanted[url], reason) for url in absent if isinstance(reason := results[url], str))
    sizes = [size for size in results.values() if isinstance(size, int)]
    done = Fetched(len(wanted), len(wanted) - len(absent), len(sizes), sum(sizes), missing, folder)
    _write_report(done)
    return done


def _folder(root: ImageRoot, manifest: str) -> Path:
    """Where pictures go: below the image root, and no link leads out of it."""
    folder = Path(os.path.realpath(root.path / FOLDER))
    if not folder.is_relative_to(root.path):
        raise DataError(f"{manifest}: '{root.path / FOLDER}' leads out of image_root. Remove the link")
    if os.path.lexists(root.path / FOLDER) and not folder.is_dir():
        raise DataError(f"{manifest}: '{root.path / FOLDER}' is no folder. Remove it")
    return folder


def _is_there(root: ImageRoot, url: str) -> bool:
    try:
        root.find(local_name(url))
    except (AbsentError, OutsideError):  # a link that leads out is replaced
        return False
    return True


def _all(
    downloader: Downloader, root: ImageRoot, urls: list[str], at_once: int, progress: Progress | None
) -> dict[str, int | str]:
    """The bytes of each picture, or the reason why there is none; slow ones keep no other from its turn."""
    results: dict[str, int | str] = {}

    def one(url: str) -> int | str:
        file = root.path / local_name(url)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return downloader.fetch(url, file)
        except RefusedError as error:
            return str(error)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            return f"cannot be written: {error.strerror}: '{error.filename}'. Remove that"

    with ThreadPoolExecutor(at_once) as pool:
        under_way: dict[Future[int | str], str] = {}
        try:
            for url in urls:
                under_way[pool.submit(one, url)] = url
                if len(under_way) >= 2 * at_once:
                    results |= _finished(under_way)
                if progress is not None:
                    progress("pictures fetched", len(results), len(urls))
            while under_way:
                results |= _finished(under_way)
                if progress is not None:
                    progress("pictures fetched", len(results), len(urls))
        except BaseException:
            downloader.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def _finished(under_way: dict[Future[int | str], str]) -> Iterable[tuple[str, int | str]]:
    """Wait for some, and take them out."""
    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
    return [(under_way.pop(future), future.result()) for future in done]


def _write_report(done: Fetched) -> None:
    if not done.missing:
        done.report.unlink(missing_ok=True)
        return
    done.folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".tmp", dir=done.folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, 0o644)
        file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in done.missing)
    Path(name).replace(done.report)
