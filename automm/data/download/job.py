"""Download all pictures that the records of a manifest name by URL, to the place where reading finds them."""

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
from automm.paths import check_writable

AT_ONCE = 8  # connections
REPORT = "missing.jsonl"

Progress = Callable[[str, int, int], None]  # what, done, total


@dataclass(frozen=True)
class Missing:
    """A picture that could not be downloaded: its URL, the first record that names it, and the reason."""

    url: str
    where: str
    reason: str


@dataclass(frozen=True)
class FetchResult:
    """The result of `fetch_pictures`.

    Attributes:
        urls: number of distinct URLs in the records.
        there: number of pictures downloaded before.
        fetched, bytes: number of pictures downloaded now, and their size.
        missing: pictures that could not be downloaded.
        folder: of the pictures, and of the report if any is missing.
    """

    urls: int
    there: int
    fetched: int
    bytes: int
    missing: tuple[Missing, ...]
    folder: Path

    @property
    def report(self) -> Path:
        """The report: one line of JSON for each missing picture; absent if none is missing."""
        return self.folder / REPORT

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        missing = [asdict(one) for one in self.missing]
        return {**vars(self), "missing": missing, "folder": str(self.folder)}


def fetch_pictures(
    manifest_path: Path,
    progress: Progress | None = None,
    *,
    downloader: Downloader | None = None,
    at_once: int = AT_ONCE,
    allow_code: bool = False,
) -> FetchResult:
    """Download every picture that the records of a manifest name by URL and that is not on disk yet.

    After an interruption, the next call continues. A report of missing pictures is written beside the pictures.

    Args:
        manifest_path: the manifest.
        progress: called as ("pictures fetched", done, total).
        downloader: the default connects only to public addresses.
        at_once: number of connections.
        allow_code: whether the manifest may name a reader written by the user.

    Raises:
        ConfigError, NotFoundError: the manifest is wrong, or a file is missing.
        DataError: records cannot be read, or the folder for pictures is a link to a place outside image_root.
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
    check_writable(folder, f"{manifest.file.name}: image_root", "Set image_root to a folder that you may write to")
    absent = [url for url in wanted if not _is_there(root, url)]
    results = _all(downloader, root, absent, at_once, progress)
    missing = tuple(Missing(url, wanted[url], reason) for url in absent if isinstance(reason := results[url], str))
    sizes = [size for size in results.values() if isinstance(size, int)]
    done = FetchResult(len(wanted), len(wanted) - len(absent), len(sizes), sum(sizes), missing, folder)
    _write_report(done)
    return done


def _folder(root: ImageRoot, manifest: str) -> Path:
    """Return the folder for pictures, inside the image root after resolving links."""
    folder = Path(os.path.realpath(root.path / FOLDER))
    if not folder.is_relative_to(root.path):
        raise DataError(f"{manifest}: '{root.path / FOLDER}' is a link to a place outside image_root. Remove the link")
    if os.path.lexists(root.path / FOLDER) and not folder.is_dir():
        raise DataError(f"{manifest}: '{root.path / FOLDER}' is not a folder. Remove it")
    return folder


def _is_there(root: ImageRoot, url: str) -> bool:
    try:
        root.find(local_name(url))
    except (AbsentError, OutsideError):  # a link to a place outside is replaced
        return False
    return True


def _all(
    downloader: Downloader, root: ImageRoot, urls: list[str], at_once: int, progress: Progress | None
) -> dict[str, int | str]:
    """Return for each URL the picture's size in bytes, or the reason why it failed. Slow ones do not block others."""
    results: dict[str, int | str] = {}

    def one(url: str) -> int | str:
        file = root.path / local_name(url)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return downloader.fetch(url, file)
        except RefusedError as error:
            return str(error)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            return f"cannot be written: {error.strerror}: '{error.filename}'. Remove the file or folder in the way"

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
    """Wait until at least one is finished, and remove the finished ones."""
    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
    return [(under_way.pop(future), future.result()) for future in done]


def _write_report(done: FetchResult) -> None:
    if not done.missing:
        done.report.unlink(missing_ok=True)
        return
    done.folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".tmp", dir=done.folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, 0o644)
        file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in done.missing)
    Path(name).replace(done.report)
